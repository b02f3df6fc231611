//! What a type of a plan file is.

use serde_json::Value;

use super::expression::guarded;
use super::{DataType, Rejection};
use crate::catalog::{CatalogError, load};
use crate::session::Queries;

// CASE takes one value: a text that closes the parenthesis does not become a second column.
// With the same type in both branches it keeps a domain, which it else widens to the type below.
const OID_HEAD: &str = "select pg_catalog.pg_typeof(v)::pg_catalog.oid, \
     pg_catalog.format_type(pg_catalog.pg_typeof(v), null) from (select case when true then cast(null as ";
const ELSE: &str = "\n) else cast(null as ";
const OID_TAIL: &str = "\n) end as v) as x";

// There is no function that tells a written modifier before version 17; the printed plan does.
const PRINT_HEAD: &str =
    "explain (verbose, costs off, format json) select case when true then cast(null as ";
const PRINT_TAIL: &str = "\n) end";

/// Asks the server what the type `text` is. See [`expression`](super::expression) for the
/// transaction that it needs.
pub async fn data_type(
    queries: &impl Queries,
    text: &str,
) -> Result<Result<DataType, Rejection>, CatalogError> {
    let found = match guarded(queries, OID_HEAD, text, &format!("{ELSE}{text}{OID_TAIL}")).await? {
        Ok(rows) => rows.into_iter().next(),
        Err(rejection) => return Ok(Err(rejection)),
    };
    let Some(row) = found else {
        return Ok(Err(unknown_type()));
    };
    let oid: u32 = row.try_get(0).map_err(crate::QueryError::from)?;
    let bare: String = row.try_get(1).map_err(crate::QueryError::from)?;
    let printed = match guarded(
        queries,
        PRINT_HEAD,
        text,
        &format!("{ELSE}{text}{PRINT_TAIL}"),
    )
    .await?
    {
        Ok(rows) => match rows.first() {
            Some(row) => with_modifier(&row.try_get(0).map_err(crate::QueryError::from)?),
            None => None,
        },
        Err(rejection) => return Ok(Err(rejection)),
    };
    let Some(mut facts) = load::types(queries, &[oid]).await?.into_iter().next() else {
        return Ok(Err(unknown_type()));
    };
    facts.insert(
        "sql_type".to_owned(),
        Value::String(printed.unwrap_or(bare)),
    );
    Ok(Ok(load::decode("types", Value::Object(facts))?))
}

/// `NULL::numeric(10,2)` is how a plan prints a constant of a type with a modifier. A domain is a
/// coercion around it, in parentheses, and has no modifier of its own.
fn with_modifier(plan: &Value) -> Option<String> {
    let output = plan.pointer("/0/Plan/Output/0")?.as_str()?;
    output.strip_prefix("NULL::").map(str::to_owned)
}

fn unknown_type() -> Rejection {
    Rejection {
        sqlstate: tokio_postgres::error::SqlState::UNDEFINED_OBJECT
            .code()
            .to_owned(),
        message: "there is no such type".to_owned(),
        hint: None,
        position: None,
    }
}
