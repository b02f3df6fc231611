//! The server has room for the workers' connections.

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;

const CHECK: &str = "connections";

const FREE: &str = "select pg_catalog.current_setting('max_connections')::int8 \
     - pg_catalog.current_setting('superuser_reserved_connections')::int8 \
     - (select pg_catalog.count(*) from pg_catalog.pg_stat_activity a where a.datid is not null)";

/// Besides the workers: heartbeat, control, index builds and the command itself.
const BESIDES: i64 = 4;

/// Workers and a few more.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let free: i64 = value(context, FREE, &[]).await?;
    let needed = i64::from(context.expansion.plan.file.backfill.workers) + BESIDES;
    if free >= needed {
        return Ok(Finding::pass(
            CHECK,
            format!("{free} connections are free, {needed} are needed"),
        ));
    }
    Ok(Finding::of(
        CHECK,
        Outcome::Fail,
        format!("{free} connections are free, {needed} are needed"),
        "lower backfill.workers, or raise max_connections",
    ))
}
