//! Whether the server takes an expression of a plan file, and what it makes of it.

use std::fmt::Write as _;

use crossfade_plan::Ident;
use crossfade_plan::mapping::Volatility;
use serde_json::Value;
use tokio_postgres::error::SqlState;

use super::{Expression, Rejection};
use crate::query_error::QueryError;
use crate::session::Queries;

/// A column that an expression may read.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its name.
    pub name: &'a Ident,
    /// Its type, as `format_type` prints it.
    pub sql_type: &'a str,
}

// The type is the type of `v` at parse time, which the server knows without a value. The branch
// that would evaluate the expression is never taken (`where false`); what the server may evaluate
// while it plans are immutable functions of constants, bounded by statement_timeout.
//
// VALUES refuses aggregates and window functions, CASE refuses set-returning functions and lists;
// with the same text in both branches it keeps a domain, which it else widens to the type below.
const TYPE_HEAD: &str = "select pg_catalog.pg_typeof(y.v)::pg_catalog.oid, \
     pg_catalog.format_type(pg_catalog.pg_typeof(y.v), null), \
     (select t.typtype = 'p' from pg_catalog.pg_type as t where t.oid = pg_catalog.pg_typeof(y.v)) \
     from (select) as one left join (select x.v from (select ";
const TYPE_MIDDLE: &str = ") as src cross join lateral (values (case when true then (\n";
const TYPE_ELSE: &str = "\n) else (\n";
const TYPE_TAIL: &str = "\n) end)) as x(v) where false) as y on true";

// A condition that reads no column is tested once, in front of the scan, unless it is volatile.
// The columns are results of subqueries, and not NULL, lest a strict function folds to NULL.
const FILTER_HEAD: &str = "explain (format json) select from pg_catalog.generate_series(1, 2) \
     cross join (select ";
const FILTER_MIDDLE: &str = ") as src where (\n";
const FILTER_TAIL: &str = "\n) is null";

/// Asks the server what an expression over the bare names of `inputs` evaluates to; nothing is
/// evaluated.
///
/// Refused, with the server's own words and place: what does not parse, aggregates, window and
/// set-returning functions, parameters, and whatever is not one value.
///
/// Works in an open transaction (`search_path` pinned) and guards it with a savepoint: after a
/// refusal further expressions can be asked, but the transaction can only be rolled back.
pub async fn expression(
    queries: &impl Queries,
    text: &str,
    inputs: &[Input<'_>],
) -> Result<Result<Expression, Rejection>, QueryError> {
    let head = format!("{TYPE_HEAD}{}{TYPE_MIDDLE}", nulls(inputs));
    let outcome = guarded(
        queries,
        &head,
        text,
        &format!("{TYPE_ELSE}{text}{TYPE_TAIL}"),
    )
    .await?;
    let row = match outcome {
        Ok(rows) => rows.into_iter().next(),
        Err(rejection) => return Ok(Err(rejection)),
    };
    let Some(row) = row else {
        return Ok(Err(no_value()));
    };
    let (type_oid, sql_type, pseudo): (u32, String, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if pseudo {
        return Ok(Err(no_value()));
    }
    let (head, tail) = explained(inputs);
    let volatility = match guarded(queries, &head, text, tail).await? {
        Ok(rows) => match rows.first() {
            Some(row) if is_of_more_than_the_row(&row.try_get(0)?) => Volatility::Volatile,
            _ => Volatility::Stable,
        },
        Err(rejection) => return Ok(Err(rejection)),
    };
    Ok(Ok(Expression {
        type_oid,
        sql_type,
        volatility,
    }))
}

/// What an expression stands between to be explained and not evaluated.
pub(super) fn explained(inputs: &[Input<'_>]) -> (String, &'static str) {
    let head = format!("{FILTER_HEAD}{}{FILTER_MIDDLE}", subqueries(inputs));
    (head, FILTER_TAIL)
}

/// Runs `head`, `text`, `tail` as one statement; an error that the text is to blame for becomes a
/// rejection with its place in the text.
pub(super) async fn guarded(
    queries: &impl Queries,
    head: &str,
    text: &str,
    tail: &str,
) -> Result<Result<Vec<tokio_postgres::Row>, Rejection>, QueryError> {
    queries.batch("savepoint crossfade_facts").await?;
    match queries.query(&format!("{head}{text}{tail}"), &[]).await {
        Ok(rows) => {
            queries.batch("release savepoint crossfade_facts").await?;
            Ok(Ok(rows))
        }
        Err(error) if is_of_the_text(&error) => {
            queries
                .batch("rollback to savepoint crossfade_facts")
                .await?;
            Ok(Err(rejection(&error, head, text)))
        }
        Err(error) => Err(error),
    }
}

/// Whether an error speaks of what was asked, not of the server or the connection.
fn is_of_the_text(error: &QueryError) -> bool {
    error.sqlstate().is_some_and(|state| {
        matches!(
            state.code().get(..2),
            Some("22" | "3F" | "42" | "0A" | "54" | "P0")
        ) || *state == SqlState::PROTOCOL_VIOLATION
            || *state == SqlState::INTERNAL_ERROR
    })
}

fn rejection(error: &QueryError, head: &str, text: &str) -> Rejection {
    let length = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let sqlstate = error.sqlstate().map_or("", SqlState::code).to_owned();
    // The only way to get there: the statement has a parameter and none was given.
    if error.is(&SqlState::PROTOCOL_VIOLATION) {
        return Rejection {
            sqlstate,
            message: "the text has a parameter ($1)".to_owned(),
            hint: None,
            position: None,
        };
    }
    Rejection {
        sqlstate,
        message: error
            .message()
            .unwrap_or("the server refuses a value in it")
            .to_owned(),
        hint: error.hint().map(str::to_owned),
        // An error at the end of the text is reported at what we put behind it.
        position: error
            .position()
            .and_then(|at| at.checked_sub(length(head)))
            .filter(|at| *at > 0)
            .map(|at| at.min(length(text).saturating_add(1))),
    }
}

fn no_value() -> Rejection {
    Rejection {
        sqlstate: SqlState::DATATYPE_MISMATCH.code().to_owned(),
        message: "the expression must have exactly one value of a type that a column can have"
            .to_owned(),
        hint: None,
        position: None,
    }
}

fn nulls(inputs: &[Input<'_>]) -> String {
    select_list(inputs, |list, sql_type| write!(list, "null::{sql_type}"))
}

fn subqueries(inputs: &[Input<'_>]) -> String {
    select_list(inputs, |list, sql_type| {
        write!(list, "(select null::{sql_type} limit 1)")
    })
}

fn select_list(
    inputs: &[Input<'_>],
    value: impl Fn(&mut String, &str) -> std::fmt::Result,
) -> String {
    let mut list = String::new();
    for (index, input) in inputs.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        list.push_str(comma);
        let written =
            value(&mut list, input.sql_type).and_then(|()| write!(list, " as {}", input.name));
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    list
}

/// Whether a plan tests rows, somewhere, or reads a table: what another table holds changes
/// without a write of the row.
fn is_of_more_than_the_row(plan: &Value) -> bool {
    match plan {
        Value::Object(object) => {
            object.contains_key("Filter")
                || object.contains_key("Relation Name")
                || object.values().any(is_of_more_than_the_row)
        }
        Value::Array(array) => array.iter().any(is_of_more_than_the_row),
        _ => false,
    }
}
