//! The table is of a kind that can be migrated.

use crossfade_postgres::catalog::{Persistence, RelationKind};

use super::{Context, Finding, Outcome};

const CHECK: &str = "kind";

/// An ordinary, permanent table that belongs to nobody's extension, nor to PostgreSQL or to us.
pub(super) fn check(context: &Context<'_>) -> Finding {
    let table = &context.expansion.table;
    let schema = table.name.schema.as_str();
    let state = (context.store).is_some_and(|store| store.schema().as_str() == schema);
    let refused = if state {
        Some("the state of the migrations is kept in it".to_owned())
    } else if schema.starts_with("pg_") || schema == "information_schema" {
        Some("it is PostgreSQL's own".to_owned())
    } else if table.kind != RelationKind::Ordinary {
        Some("it is no ordinary table".to_owned())
    } else if table.persistence != Persistence::Permanent {
        Some("it is unlogged or temporary".to_owned())
    } else if let Some(extension) = &table.extension {
        Some(format!("it belongs to the extension {extension}"))
    } else {
        table
            .of_type
            .as_ref()
            .map(|name| format!("it is a table of the type {name}"))
    };
    match refused {
        Some(why) => Finding::of(
            CHECK,
            Outcome::Fail,
            format!("{} cannot be migrated: {why}", table.name),
            "only ordinary, logged tables are supported",
        ),
        None => Finding::pass(CHECK, "an ordinary table"),
    }
}
