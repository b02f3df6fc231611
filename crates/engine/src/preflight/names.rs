//! The names that the migration will use are free.

use std::collections::BTreeSet;

use crossfade_plan::execution::{Action, ExecutionPlan};
use crossfade_plan::{Ident, QualifiedName, Stage};
use crossfade_planner::names;
use tokio_postgres::types::Type;

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;
use crate::expand::Expansion;

const CHECK: &str = "names";

const RELATION: &str = "select exists (select from pg_catalog.pg_class c \
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2) \
     or exists (select from pg_catalog.pg_type t \
     join pg_catalog.pg_namespace n on n.oid = t.typnamespace where n.nspname = $1 and t.typname = $2)";
const FUNCTION: &str = "select exists (select from pg_catalog.pg_proc p \
     join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = $1 and p.proname = $2)";

/// Tables, indexes, sequences and functions of the plan, those of the swap and of its way back
/// too: found after the copy, a name that is taken would cost all of it.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let objects = &context.expansion.plan.objects;
    let relations = relations(context.expansion);
    let mut taken: Vec<&QualifiedName> = Vec::new();
    for name in &relations {
        if exists(context, RELATION, name).await? {
            taken.push(name);
        }
    }
    let mut left_behind = false;
    for direction in [&objects.forward, &objects.reverse] {
        for name in [&direction.row_function, &direction.truncate_function] {
            if exists(context, FUNCTION, name).await? {
                taken.push(name);
                left_behind |= *direction == objects.forward;
            }
        }
    }
    if taken.is_empty() {
        return Ok(Finding::pass(CHECK, "the names that are needed are free"));
    }
    let list: Vec<String> = taken.iter().map(ToString::to_string).collect();
    let remedy = if left_behind && !is_registered(context).await? {
        by_hand(&context.expansion.plan)
    } else {
        "rename or drop what bears them; if they are left from another migration, roll that one back"
            .to_owned()
    };
    let message = format!("these names are taken: {}", list.join(", "));
    Ok(Finding::of(CHECK, Outcome::Fail, message, remedy))
}

async fn is_registered(context: &Context<'_>) -> Result<bool, EngineError> {
    let name = &context.expansion.plan.file.name;
    Ok(match context.store {
        Some(store) => store.find(&context.session, name).await?.is_some(),
        None => false,
    })
}

/// The forward functions of a migration of this name are there, and it is not registered: its state
/// is gone, and no command can take it back. What is left would go on writing, so the statements that
/// a rollback would run are told.
fn by_hand(plan: &ExecutionPlan) -> String {
    format!(
        "they are of a migration {} that is not in this state schema. If it is in another one, name that by \
         --state-schema. If its state is lost, look what is there, and take it away by hand: begin; {}; commit",
        plan.file.name,
        plan.undo_from(Stage::Verified).first.join("; "),
    )
}

/// The relations that the migration makes, or renames to.
fn relations(expansion: &Expansion) -> BTreeSet<QualifiedName> {
    let (plan, table) = (&expansion.plan, &expansion.table);
    let built = plan.steps.iter().filter_map(|step| match &step.action {
        Action::ConcurrentIndex { index, .. } => Some(index.clone()),
        _ => None,
    });
    let indexes = table.indexes.iter().map(|index| &index.name);
    let beside = |name: &Ident| [names::temporary(name), names::retired(name)];
    let of_indexes = indexes
        .flat_map(beside)
        .map(|name| table.name.sibling(name));
    let of_sequences = table
        .sequences
        .iter()
        .flat_map(|sequence| beside(&sequence.name.name).map(|name| sequence.name.sibling(name)));
    [plan.objects.target.clone(), plan.objects.retired.clone()]
        .into_iter()
        .chain(built)
        .chain(of_indexes)
        .chain(of_sequences)
        .collect()
}

async fn exists(
    context: &Context<'_>,
    sql: &str,
    name: &QualifiedName,
) -> Result<bool, EngineError> {
    let (schema, name) = (name.schema.as_str(), name.name.as_str());
    value(context, sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await
}
