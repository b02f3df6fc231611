//! The server can be worked with: its version, and that it takes writes.

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;

const CHECK: &str = "server";
const OLDEST: i64 = 140_000;

/// A version that is supported, and no replica.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let version: i64 = value(
        context,
        "select pg_catalog.current_setting('server_version_num')::int8",
        &[],
    )
    .await?;
    if version < OLDEST {
        return Ok(Finding::of(
            CHECK,
            Outcome::Fail,
            format!("the server is PostgreSQL {}", version / 10_000),
            "use PostgreSQL 14 or later",
        ));
    }
    let replica: bool = value(context, "select pg_catalog.pg_is_in_recovery()", &[]).await?;
    if replica {
        return Ok(Finding::of(
            CHECK,
            Outcome::Fail,
            "the server is a replica, which takes no writes",
            "connect to the primary",
        ));
    }
    Ok(Finding::pass(
        CHECK,
        format!("PostgreSQL {}, takes writes", version / 10_000),
    ))
}
