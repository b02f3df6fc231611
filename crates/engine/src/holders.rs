//! Look before knocking: behind a queued lock that blocks writes nobody gets through, so it is
//! asked for only when those who hold the tables are about to let go.

use std::time::{Duration, Instant};

use crossfade_plan::event::{Event, Wait};
use crossfade_postgres::{Queries, QueryError, rule};
use tokio_postgres::types::Type;

use crate::error::EngineError;
use crate::runner::Runner;

/// Transactions that have held a lock for so long are waited for.
const LONG: Duration = Duration::from_millis(50);
/// After so long, the wait is told.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Who holds any lock on the tables, by virtual transaction. Prepared transactions have no process.
const HOLDERS: &str = "select distinct l.virtualtransaction as vxid, coalesce(l.pid, 0) as pid \
     from pg_catalog.pg_locks l \
     where l.relation in (select pg_catalog.to_regclass(name)::oid \
                          from pg_catalog.unnest($1::text[]) as name) \
       and l.granted and l.pid is distinct from pg_catalog.pg_backend_pid() \
       and l.database = (select d.oid from pg_catalog.pg_database d \
                         where d.datname = pg_catalog.current_database())";

type Holder = (String, i32);

/// Waits, without queueing, until nobody has held a lock on the tables for long. `false` when told
/// to stop.
pub(crate) async fn wait_for_long_ones(
    runner: &Runner<'_>,
    tables: &[String],
) -> Result<bool, EngineError> {
    let started = Instant::now();
    let mut told = false;
    let mut before = holders(runner, tables).await?;
    loop {
        if before.is_empty() || !rule::holds("cutover/look-first") {
            return Ok(true);
        }
        tokio::select! {
            () = runner.stop().cancelled() => return Ok(false),
            () = tokio::time::sleep(LONG) => {}
        }
        let now = holders(runner, tables).await?;
        let long: Vec<i32> = now
            .iter()
            .filter(|holder| before.contains(holder))
            .map(|(_, pid)| *pid)
            .collect();
        if long.is_empty() {
            if told {
                runner.engine.events.emit(Event::Resumed);
            }
            return Ok(true);
        }
        if started.elapsed() > runner.engine.limits.max_wait {
            return Err(EngineError::TablesInUse { pids: long });
        }
        if !told && started.elapsed() > TELL_AFTER {
            told = true;
            runner.engine.events.emit(Event::Waiting(waiting(&long)));
        }
        before = now;
    }
}

fn waiting(long: &[i32]) -> Wait {
    let named: Vec<String> = long.iter().take(5).map(i32::to_string).collect();
    Wait {
        reason: "transactions that have held the tables for long".to_owned(),
        metric: None,
        value: Some(format!("process {}", named.join(", "))),
        threshold: None,
    }
}

async fn holders(runner: &Runner<'_>, tables: &[String]) -> Result<Vec<Holder>, EngineError> {
    let session = runner.engine.store.session(&runner.tag("look")).await?;
    let rows = session
        .query(HOLDERS, &[(&tables, Type::TEXT_ARRAY)])
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get("vxid").map_err(QueryError::from)?,
                row.try_get("pid").map_err(QueryError::from)?,
            ))
        })
        .collect()
}
