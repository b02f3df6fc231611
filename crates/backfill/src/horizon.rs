//! The horizon: waits until nobody can see a snapshot from before the last copied row.
//!
//! Whoever holds an older snapshot could still delete past the copy, or, above READ COMMITTED,
//! find the target empty after the swap. Only what holds a snapshot counts: a transaction id alone,
//! a prepared transaction or another database can do neither, and waiting for those would stall
//! for nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossfade_plan::event::{Event, EventSink, Wait};
use crossfade_postgres::{Queries, QueryError, TransactionSettings, failpoint, rule};
use crossfade_state::{Horizon, Lease, Store};
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use crate::error::BackfillError;

/// How often the open snapshots are looked at.
const EVERY: Duration = Duration::from_millis(100);
/// After so long, the wait is told.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// The virtual transactions of this database with a snapshot older than transaction `$1`.
///
/// Only columns that a plain role sees of others. A vacuum or analyze holds a snapshot for hours
/// and never reads a row for an application.
const OLDER: &str = "select a.pid, l.virtualtransaction as vxid \
     from pg_catalog.pg_stat_activity a \
     join pg_catalog.pg_locks l on l.pid = a.pid and l.locktype = 'virtualxid' and l.granted \
     where a.datid = (select d.oid from pg_catalog.pg_database d \
                      where d.datname = pg_catalog.current_database()) \
       and a.pid <> pg_catalog.pg_backend_pid() \
       and a.backend_xmin is not null \
       and pg_catalog.age(a.backend_xmin) > pg_catalog.age(($1::text::xid8)::xid) \
       and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid) \
       and not exists (select from pg_catalog.pg_stat_progress_analyze v where v.pid = a.pid)";

/// Waits until every snapshot from before our last write to the target is gone. `false` when told to
/// stop.
///
/// Call it after that write has committed. The first call marks where that is; a later one goes on
/// with the same mark, whoever makes it, and does nothing once the wait has come to its end. So
/// whoever writes the target again has to forget the mark first
/// ([`Store::forget_horizon`](crossfade_state::Store::forget_horizon)).
pub async fn wait_for_horizon(
    store: &Store,
    lease: &Lease,
    tag: &str,
    patience: Duration,
    stop: &CancellationToken,
    events: &EventSink,
) -> Result<bool, BackfillError> {
    if !rule::holds("backfill/horizon") {
        return Ok(true);
    }
    let session = store.session(tag).await?;
    let known = store.horizon(&session, lease.migration()).await?;
    drop(session);
    let horizon = match known {
        Horizon::Passed => return Ok(true),
        Horizon::Marked(mark) => mark,
        Horizon::Unmarked => mark(store, lease, tag).await?,
    };
    failpoint::hit("backfill/horizon-marked");
    // Only those of now: a snapshot that is taken later sees everything up to the mark.
    let mut waited_for: Option<HashMap<String, i32>> = None;
    let started = Instant::now();
    let mut told = false;
    loop {
        let session = store.session(tag).await?;
        let now = older(&session, &horizon).await?;
        drop(session);
        let still_open: HashMap<String, i32> = match waited_for {
            None => now,
            Some(known) => now
                .into_iter()
                .filter(|(vxid, _)| known.contains_key(vxid))
                .collect(),
        };
        if still_open.is_empty() {
            if told {
                events.emit(Event::Resumed);
            }
            pass(store, lease, tag, &horizon).await?;
            return Ok(true);
        }
        if started.elapsed() > patience {
            let mut pids: Vec<i32> = still_open.values().copied().collect();
            pids.sort_unstable();
            pids.truncate(10);
            return Err(BackfillError::HorizonHeld {
                open: still_open.len(),
                pids,
            });
        }
        if !told && started.elapsed() > TELL_AFTER {
            told = true;
            events.emit(Event::Waiting(waiting(&still_open)));
        }
        waited_for = Some(still_open);
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// A transaction that is later than every write of ours, recorded and committed.
async fn mark(store: &Store, lease: &Lease, tag: &str) -> Result<String, BackfillError> {
    let transaction = store
        .begin_fenced(lease, tag, &TransactionSettings::default())
        .await?;
    let mark = store.mark_horizon(&transaction, lease.migration()).await?;
    transaction.commit().await?;
    Ok(mark)
}

async fn pass(store: &Store, lease: &Lease, tag: &str, mark: &str) -> Result<(), BackfillError> {
    let transaction = store
        .begin_fenced(lease, tag, &TransactionSettings::default())
        .await?;
    store
        .pass_horizon(&transaction, lease.migration(), mark)
        .await?;
    transaction.commit().await?;
    Ok(())
}

async fn older(
    queries: &impl Queries,
    horizon: &str,
) -> Result<HashMap<String, i32>, BackfillError> {
    let rows = queries.query(OLDER, &[(&horizon, Type::TEXT)]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.try_get("vxid").map_err(QueryError::from)?,
                row.try_get("pid").map_err(QueryError::from)?,
            ))
        })
        .collect()
}

fn waiting(open: &HashMap<String, i32>) -> Wait {
    let mut pids: Vec<i32> = open.values().copied().collect();
    pids.sort_unstable();
    let named: Vec<String> = pids.iter().take(5).map(i32::to_string).collect();
    Wait {
        reason: "transactions still see the table as it was before the copy".to_owned(),
        metric: None,
        value: Some(format!("{} open, process {}", open.len(), named.join(", "))),
        threshold: None,
    }
}
