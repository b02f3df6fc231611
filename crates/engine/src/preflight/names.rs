//! The names that the migration will use are free.

use crossfade_plan::QualifiedName;
use tokio_postgres::types::Type;

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;

const CHECK: &str = "names";

const RELATION: &str = "select exists (select from pg_catalog.pg_class c \
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2) \
     or exists (select from pg_catalog.pg_type t \
     join pg_catalog.pg_namespace n on n.oid = t.typnamespace where n.nspname = $1 and t.typname = $2)";
const FUNCTION: &str = "select exists (select from pg_catalog.pg_proc p \
     join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = $1 and p.proname = $2)";

/// Tables, functions and indexes of the plan.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let objects = &context.expansion.plan.objects;
    let mut taken: Vec<&QualifiedName> = Vec::new();
    for name in [&objects.target, &objects.retired] {
        if exists(context, RELATION, name).await? {
            taken.push(name);
        }
    }
    for direction in [&objects.forward, &objects.reverse] {
        for name in [&direction.row_function, &direction.truncate_function] {
            if exists(context, FUNCTION, name).await? {
                taken.push(name);
            }
        }
    }
    if taken.is_empty() {
        return Ok(Finding::pass(CHECK, "the names that are needed are free"));
    }
    let list: Vec<String> = taken.iter().map(ToString::to_string).collect();
    Ok(Finding::of(
        CHECK,
        Outcome::Fail,
        format!("these names are taken: {}", list.join(", ")),
        "rename or drop what bears them; if they are left from another migration, roll that one back",
    ))
}

async fn exists(
    context: &Context<'_>,
    sql: &str,
    name: &QualifiedName,
) -> Result<bool, EngineError> {
    let (schema, name) = (name.schema.as_str(), name.name.as_str());
    value(context, sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await
}
