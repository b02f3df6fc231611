//! The swap: both sides exchange their names and the dual-write turns round, in one transaction.
//!
//! Catalog changes only. The forward triggers go first (left over, they would write into whatever
//! bears their target's name next), and the reverse ones come last, when everything on the old
//! side that could refuse a row has gone. Undo is the exact way back.

use crossfade_dual_write::sql;
use crossfade_plan::Stage;
use crossfade_plan::execution::{Action, Blocking, Lock, LockLevel, Step};
use crossfade_plan::hazard::HazardId;
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{Constraint, SequenceUse};

use super::blueprint::Blueprint;
use super::create_table::comment;
use super::step::{lock, transaction};
use super::{functions, not_null, sequences};
use crate::index_definition::IndexDefinition;
use crate::names;

/// The only step that leads to `cut_over`.
pub(crate) fn step(plan: &Blueprint<'_>) -> Step {
    let title = format!("swap {} and {}", plan.name(), plan.objects.target);
    let mut step = transaction(Stage::CutOver, "swap", title, forth(plan));
    step.action = Action::Swap;
    step.locks = locks(plan);
    step.blocking = Blocking::Instant;
    step.undo = back(plan);
    step.undo_after = after_the_way_back(plan);
    step.hazards = vec![HazardId::AccessExclusiveLock];
    step
}

/// The written side first, then its mirror. Sequences are locked by their renaming: LOCK TABLE
/// refuses them.
fn locks(plan: &Blueprint<'_>) -> Vec<Lock> {
    vec![
        lock(plan.name(), LockLevel::AccessExclusive),
        lock(&plan.objects.target, LockLevel::AccessExclusive),
    ]
}

fn forth(plan: &Blueprint<'_>) -> Vec<String> {
    let (name, objects) = (plan.name(), plan.objects);
    let (forward, reverse) = (plan.forward(), plan.reverse());
    let mut statements = forward.drop_triggers();
    for sequence in sequences::carried(plan.target, SequenceUse::Identity) {
        statements.extend(sequence.exchange());
    }
    for index in &plan.survivors.indexes {
        statements.push(rename(
            name,
            index,
            &index.name,
            &names::retired(&index.name),
        ));
    }
    statements.push(format!(
        "alter table {name} rename to {}",
        objects.retired.name
    ));
    statements.push(format!(
        "alter table {} rename to {}",
        objects.target, name.name
    ));
    for index in &plan.survivors.indexes {
        statements.push(rename(name, index, &index.built_as, &index.name));
    }
    for sequence in sequences::carried(plan.target, SequenceUse::Owned) {
        statements.extend(sequence.hand_over(name));
    }
    for column in &plan.target.columns {
        statements.extend(column.late_default().map(|default| {
            format!(
                "alter table {name} alter column {} set default {default}",
                column.name
            )
        }));
    }
    for constraint in plan.loosened_checks() {
        statements.push(format!(
            "alter table {} drop constraint {}",
            objects.retired, constraint.name
        ));
    }
    for column in plan.loosened_columns() {
        statements.push(format!(
            "alter table {} alter column {column} drop not null",
            objects.retired
        ));
    }
    statements.extend(reverse.create_functions());
    statements.extend(reverse.create_triggers());
    statements.extend(forward.drop_functions());
    statements.extend(functions::touched(plan.target));
    statements
}

fn back(plan: &Blueprint<'_>) -> Vec<String> {
    let (name, objects) = (plan.name(), plan.objects);
    let reverse = plan.reverse();
    let mut statements = reverse.drop_triggers();
    statements.extend(reverse.drop_functions());
    for sequence in sequences::carried(plan.target, SequenceUse::Identity) {
        statements.extend(sequence.exchange_back());
    }
    for index in &plan.survivors.indexes {
        statements.push(rename_if_there(name, index, &index.name, &index.built_as));
    }
    statements.push(format!(
        "alter table {name} rename to {}",
        objects.target.name
    ));
    statements.push(format!(
        "alter table {} rename to {}",
        objects.retired, name.name
    ));
    for index in &plan.survivors.indexes {
        statements.push(rename(
            name,
            index,
            &names::retired(&index.name),
            &index.name,
        ));
    }
    for sequence in sequences::carried(plan.target, SequenceUse::Owned) {
        statements.extend(sequence.hand_back(name));
    }
    for constraint in plan.loosened_checks() {
        statements.push(add_again(name, constraint));
        let object = format!("{} on {name}", constraint.name);
        statements.extend(comment(
            "constraint",
            &object,
            constraint.comment.as_deref(),
        ));
    }
    for column in plan.loosened_columns() {
        let proof = names::not_null_proof(&plan.file.name, column);
        statements.push(format!(
            "alter table {name} add constraint {proof} check ({column} is not null) not valid"
        ));
    }
    statements.extend(functions::touched(plan.target));
    statements
}

/// What takes a scan: it must not happen under the locks of the way back.
fn after_the_way_back(plan: &Blueprint<'_>) -> Vec<String> {
    let name = plan.name();
    let mut statements = Vec::new();
    for constraint in plan.loosened_checks() {
        if constraint.validated {
            statements.push(format!(
                "alter table {name} validate constraint {}",
                constraint.name
            ));
        }
    }
    for column in plan.loosened_columns() {
        let proof = names::not_null_proof(&plan.file.name, column);
        statements.push(format!("alter table {name} validate constraint {proof}"));
        let old = not_null::of(plan.target.source, column);
        statements.push(not_null::set(name, column, old.map(|old| &old.name)));
        statements.push(format!("alter table {name} drop constraint {proof}"));
        statements.extend(old.and_then(|old| not_null::comment_on(name, old)));
    }
    statements
}

/// A constraint and its index have one name.
fn rename(table: &QualifiedName, index: &IndexDefinition<'_>, from: &Ident, to: &Ident) -> String {
    if index.constraint.is_some() {
        format!("alter table {table} rename constraint {from} to {to}")
    } else {
        format!("alter index {} rename to {to}", table.sibling(from.clone()))
    }
}

/// The same for the new side on its way out, on which somebody may have renamed or dropped it: only
/// its name must be free for the old side's.
fn rename_if_there(
    table: &QualifiedName,
    index: &IndexDefinition<'_>,
    from: &Ident,
    to: &Ident,
) -> String {
    let rename = rename(table, index, from, to);
    let body = format!(
        "begin\n  if exists (select from pg_catalog.pg_index as i \
         join pg_catalog.pg_class as c on c.oid = i.indexrelid \
         where i.indrelid = {}::pg_catalog.regclass and c.relname = {}) then\n    {rename};\n  end if;\nend",
        sql::literal(&table.to_string()),
        sql::literal(from.as_str()),
    );
    format!("do {}", sql::dollar_quoted(&body))
}

fn add_again(table: &QualifiedName, constraint: &Constraint) -> String {
    let inherit = if constraint.no_inherit {
        " no inherit"
    } else {
        ""
    };
    let condition = constraint.expression.as_deref().unwrap_or("true");
    format!(
        "alter table {table} add constraint {} check ({condition}){inherit} not valid",
        constraint.name
    )
}
