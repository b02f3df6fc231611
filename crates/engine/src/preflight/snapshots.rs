//! Nothing holds old snapshots that the migration would have to wait for.

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;

const CHECK: &str = "snapshots";

const PREPARED: &str = "select pg_catalog.count(*) from pg_catalog.pg_prepared_xacts p \
     where p.database = pg_catalog.current_database()";

const OLD: &str = "select pg_catalog.count(*) from pg_catalog.pg_stat_activity a \
     where a.pid <> pg_catalog.pg_backend_pid() \
       and a.datid = (select d.oid from pg_catalog.pg_database d \
                      where d.datname = pg_catalog.current_database()) \
       and pg_catalog.age(a.backend_xmin) > 1000000";

/// Prepared transactions, and snapshots that are a million transactions old: a warning, since they
/// may be gone when it matters.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let prepared: i64 = value(context, PREPARED, &[]).await?;
    let old: i64 = value(context, OLD, &[]).await?;
    if prepared == 0 && old == 0 {
        return Ok(Finding::pass(
            CHECK,
            "no prepared transactions, no old snapshots",
        ));
    }
    Ok(Finding::of(
        CHECK,
        Outcome::Warn,
        format!("{prepared} prepared transactions and {old} old snapshots are open"),
        "locks and index builds wait for them; end what has been forgotten",
    ))
}
