//! What indexes and constraints carry besides their definition, and what the table says about
//! them: comments, statistics targets, the CLUSTER mark, the replica identity.

use crossfade_plan::Stage;
use crossfade_plan::execution::{Blocking, LockLevel, Step};
use crossfade_postgres::catalog::{KeyValue, ReplicaIdentity};

use super::blueprint::Blueprint;
use super::create_table::comment;
use super::step::{lock, transaction};

/// One step, if there is anything to carry.
pub(crate) fn step(plan: &Blueprint<'_>) -> Option<Step> {
    let target = &plan.objects.target;
    let source = plan.target.source;
    let mut statements = Vec::new();
    for index in &plan.survivors.indexes {
        let Some(old) = index.carries else { continue };
        let name = target.sibling(index.built_as.clone());
        statements.extend(comment("index", &name.to_string(), old.comment.as_deref()));
        let constraint = old
            .constraint
            .as_ref()
            .and_then(|one| source.constraint(&one.name));
        if let Some(text) = constraint.and_then(|constraint| constraint.comment.as_deref()) {
            let object = format!("{} on {target}", index.built_as);
            statements.extend(comment("constraint", &object, Some(text)));
        }
        for (at, part) in old.key.iter().enumerate() {
            if let (KeyValue::Expression(_), Some(statistics)) =
                (&part.value, part.statistics_target)
            {
                let number = at + 1;
                statements.push(format!(
                    "alter index {name} alter column {number} set statistics {statistics}"
                ));
            }
        }
        if old.clustered {
            statements.push(format!(
                "alter table {target} cluster on {}",
                index.built_as
            ));
        }
        if old.replica_identity {
            statements.push(format!(
                "alter table {target} replica identity using index {}",
                index.built_as
            ));
        }
    }
    for check in &plan.survivors.checks {
        let object = format!("{} on {target}", check.constraint.name);
        statements.extend(comment(
            "constraint",
            &object,
            check.constraint.comment.as_deref(),
        ));
    }
    match source.replica_identity {
        ReplicaIdentity::Full => {
            statements.push(format!("alter table {target} replica identity full"));
        }
        ReplicaIdentity::Nothing => {
            statements.push(format!("alter table {target} replica identity nothing"));
        }
        ReplicaIdentity::Default | ReplicaIdentity::Index(_) => {}
    }
    if statements.is_empty() {
        return None;
    }
    let title = format!(
        "carry over the settings of the indexes and constraints of {}",
        plan.name()
    );
    let mut step = transaction(Stage::Backfilled, "carry-settings", title, statements);
    step.locks = vec![lock(target, LockLevel::AccessExclusive)];
    step.blocking = Blocking::Instant;
    Some(step)
}
