//! `create index concurrently`: outside any transaction, watched, and repaired when it broke.

use std::time::{Duration, Instant};

use crossfade_plan::QualifiedName;
use crossfade_plan::event::{Event, RetryClass};
use crossfade_plan::execution::Step;
use crossfade_postgres::{
    ErrorClass, Queries, QueryError, Session, TransactionSettings, failpoint, rule,
};
use tokio_postgres::types::Type;

use crate::error::EngineError;
use crate::executor::StepEnd;
use crate::runner::Runner;

/// On a connection of our own, past any pooler: nobody else gets these settings.
///
/// Without a lock timeout: with one, the statement fails behind any old snapshot and leaves an
/// INVALID index. The runner watches it instead, and cancels it.
const SETTINGS: &str = "set lock_timeout = 0; set statement_timeout = 0; \
     set idle_session_timeout = 0; set search_path = pg_catalog, pg_temp";

const STATE: &str = "select i.indisvalid as valid, \
            i.indrelid = $3::text::pg_catalog.regclass as ours \
     from pg_catalog.pg_class c \
     left join pg_catalog.pg_index i on i.indexrelid = c.oid \
     where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n \
                             where n.nspname = $1::text::pg_catalog.name) \
       and c.relname = $2::text::pg_catalog.name";

const BUILDING: &str = "select p.pid from pg_catalog.pg_stat_progress_create_index p \
     where p.relid = $1::text::pg_catalog.regclass \
       and p.datname = pg_catalog.current_database()";

/// Whether anybody waits for what a backend holds or has asked for before.
///
/// A TRUNCATE of the source waits, through its trigger, for a lock on the target that a build holds
/// until its end, and everybody else waits for the TRUNCATE. Worse, the build waits for whoever
/// has an older snapshot: for the ones behind the TRUNCATE, a deadlock of which an application
/// would be the victim.
const IN_THE_WAY: &str = "select exists (select from pg_catalog.pg_locks l \
     where not l.granted and $1 = any (pg_catalog.pg_blocking_pids(l.pid))) as found, \
     pg_catalog.pg_blocking_pids($1) as behind";

const CANCEL: &str = "select pg_catalog.pg_cancel_backend($1)";

/// Shorter than the server waits before it looks for a deadlock.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How a watched statement ended, when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Watched {
    /// It came to its end.
    Done,
    /// Cancelled: told to stop.
    Stopped,
    /// Cancelled: somebody waited for it.
    GaveWay,
    /// Cancelled: it waited for these processes for too long.
    Waited(Vec<i32>),
}

/// Who waits for whom, around one process.
#[derive(Debug)]
struct Queue {
    /// Somebody waits for it.
    somebody_waits: bool,
    /// It waits for these.
    behind: Vec<i32>,
}

/// What stands under an index's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Valid,
    Invalid,
    Foreign,
}

/// Builds an index, or adopts the one that an earlier attempt at this step finished.
///
/// An attempt is recorded before it begins, and the plan never changes: a valid index of that name
/// on our own table is the one of this statement.
pub(crate) async fn build(
    runner: &mut Runner<'_>,
    step: &Step,
    index: &QualifiedName,
    table: &QualifiedName,
) -> Result<StepEnd, EngineError> {
    let started = Instant::now();
    loop {
        if runner.stop().is_cancelled() {
            return Ok(StepEnd::Stopped);
        }
        match one_attempt(runner, step, index, table, started).await {
            Ok(Some(end)) => return Ok(end),
            // Something was in the way and is not any more: look again.
            Ok(None) => {}
            Err(error)
                if error.class() == ErrorClass::Reconnect
                    && started.elapsed() < runner.engine.limits.max_wait =>
            {
                let class = RetryClass::Connection;
                let pause_ms = u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(u64::MAX);
                runner.engine.events.emit(Event::Retry { class, pause_ms });
                tokio::time::sleep(LOOK_EVERY).await;
                match runner.recover().await {
                    Ok(()) => {}
                    Err(error) if error.class() == ErrorClass::Reconnect => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

async fn one_attempt(
    runner: &Runner<'_>,
    step: &Step,
    index: &QualifiedName,
    table: &QualifiedName,
    started: Instant,
) -> Result<Option<StepEnd>, EngineError> {
    let session = runner
        .engine
        .database()
        .direct(&runner.tag("index"))
        .await?;
    session.batch(SETTINGS).await?;
    // A build whose runner died goes on at the server until its end.
    let builds = builds(&session, table).await?;
    if !builds.is_empty() {
        for pid in builds {
            // Nobody watches it but us.
            if queue(&session, pid).await?.somebody_waits {
                session.query_opt(CANCEL, &[(&pid, Type::INT4)]).await?;
            }
        }
        if started.elapsed() > runner.engine.limits.max_wait {
            return Err(not_granted(step, started));
        }
        tokio::select! {
            () = runner.stop().cancelled() => return Ok(Some(StepEnd::Stopped)),
            () = tokio::time::sleep(LOOK_EVERY) => return Ok(None),
        }
    }
    match find(&session, index, table).await? {
        Found::Foreign => return Err(EngineError::IndexNameTaken(index.clone())),
        Found::Valid => return record(runner, step).await.map(Some),
        Found::Invalid => {
            let drop = format!("drop index concurrently {index}");
            return match watched(runner, session, &drop).await? {
                Watched::Done => Ok(None),
                Watched::Stopped => Ok(Some(StepEnd::Stopped)),
                Watched::GaveWay => give_way(runner, step, started).await,
                Watched::Waited(pids) => Err(EngineError::TablesInUse { pids }),
            };
        }
        Found::Nothing => {}
    }
    // Fenced before and after; in between no transaction of ours is open, or the build would wait
    // for it.
    runner
        .begin("index", &TransactionSettings::default())
        .await?
        .commit()
        .await?;
    let statement = step.statements.join("; ");
    let outcome = watched(runner, session, &statement).await;
    failpoint::hit(&format!("step/{}/built", step.id));
    match outcome {
        Ok(Watched::Stopped) => return Ok(Some(StepEnd::Stopped)),
        Ok(Watched::GaveWay) => return give_way(runner, step, started).await,
        // What it leaves is dropped by the next run: that waits for the same transactions.
        Ok(Watched::Waited(pids)) => return Err(EngineError::TablesInUse { pids }),
        Ok(Watched::Done) => {}
        Err(error) => {
            clean_up(runner, index, table, &error).await;
            return Err(error);
        }
    }
    record(runner, step).await.map(Some)
}

/// Takes away what a failed build left: an INVALID unique index still refuses rows.
async fn clean_up(
    runner: &Runner<'_>,
    index: &QualifiedName,
    table: &QualifiedName,
    because: &EngineError,
) {
    if because.class() == ErrorClass::Reconnect || !rule::holds("index/clean-up") {
        return;
    }
    let cleaning = async {
        let session = runner
            .engine
            .database()
            .direct(&runner.tag("index"))
            .await?;
        session.batch(SETTINGS).await?;
        if find(&session, index, table).await? == Found::Invalid {
            watched(runner, session, &format!("drop index concurrently {index}")).await?;
        }
        Ok::<(), EngineError>(())
    };
    if let Err(error) = cleaning.await {
        tracing::warn!(error = %error, index = %index, "an invalid index was left behind; the next run drops it");
    }
}

async fn record(runner: &Runner<'_>, step: &Step) -> Result<StepEnd, EngineError> {
    let transaction = runner
        .begin("index", &TransactionSettings::default())
        .await?;
    runner
        .engine
        .store
        .finish_step(&transaction, runner.record.id, &step.id)
        .await?;
    transaction.commit().await?;
    Ok(StepEnd::Done)
}

/// Lets whoever waited get through before the next attempt, which finds what was left.
async fn give_way(
    runner: &Runner<'_>,
    step: &Step,
    started: Instant,
) -> Result<Option<StepEnd>, EngineError> {
    if started.elapsed() > runner.engine.limits.max_wait {
        return Err(EngineError::BuildInTheWay {
            step: step.id.as_str().to_owned(),
        });
    }
    let class = RetryClass::Lock;
    let pause_ms = u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(u64::MAX);
    runner.engine.events.emit(Event::Retry { class, pause_ms });
    tokio::select! {
        () = runner.stop().cancelled() => Ok(Some(StepEnd::Stopped)),
        () = tokio::time::sleep(LOOK_EVERY) => Ok(None),
    }
}

/// Runs one statement until its end, or cancels it when told to stop, when it is in somebody's way,
/// or when it has waited too long without a pause: it has no lock timeout.
async fn watched(
    runner: &Runner<'_>,
    session: Session,
    statement: &str,
) -> Result<Watched, EngineError> {
    let token = session.cancel_token();
    let pid = backend_pid(&session).await?;
    let work = session.batch(statement);
    tokio::pin!(work);
    let mut waits_since = None;
    let because = loop {
        tokio::select! {
            done = &mut work => {
                done?;
                return Ok(Watched::Done);
            }
            () = runner.stop().cancelled() => break Watched::Stopped,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let looking = async {
            let watch = runner.engine.store.session(&runner.tag("watch")).await?;
            queue(&watch, pid).await
        };
        match looking.await {
            Ok(queue) if queue.somebody_waits && rule::holds("index/gives-way") => {
                break Watched::GaveWay;
            }
            Ok(queue) if queue.behind.is_empty() => waits_since = None,
            Ok(queue) => {
                let since = *waits_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= runner.engine.limits.max_wait {
                    break Watched::Waited(queue.behind);
                }
            }
            // The build has a connection of its own: it tells by itself when that is lost.
            Err(error) => tracing::debug!(error = %error, "nobody watches the index build"),
        }
    };
    // Dropping the future would leave the statement running: it is cancelled, and waited for.
    runner.engine.database().cancel_direct(&token).await?;
    match work.await {
        Ok(()) => Ok(Watched::Done),
        Err(_) => Ok(because),
    }
}

async fn backend_pid(queries: &impl Queries) -> Result<i32, EngineError> {
    let row = queries
        .query_opt("select pg_catalog.pg_backend_pid() as pid", &[])
        .await?;
    match row {
        Some(row) => Ok(row.try_get("pid").map_err(QueryError::from)?),
        None => unreachable!("a select without a from clause returns one row"),
    }
}

async fn queue(queries: &impl Queries, pid: i32) -> Result<Queue, EngineError> {
    let row = queries.query_opt(IN_THE_WAY, &[(&pid, Type::INT4)]).await?;
    match row {
        Some(row) => Ok(Queue {
            somebody_waits: row.try_get("found").map_err(QueryError::from)?,
            behind: row.try_get("behind").map_err(QueryError::from)?,
        }),
        None => unreachable!("a select without a from clause returns one row"),
    }
}

async fn find(
    queries: &impl Queries,
    index: &QualifiedName,
    table: &QualifiedName,
) -> Result<Found, EngineError> {
    let row = queries
        .query_opt(
            STATE,
            &[
                (&index.schema.as_str(), Type::TEXT),
                (&index.name.as_str(), Type::TEXT),
                (&table.to_string(), Type::TEXT),
            ],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Found::Nothing);
    };
    let valid: Option<bool> = row.try_get("valid").map_err(QueryError::from)?;
    let ours: Option<bool> = row.try_get("ours").map_err(QueryError::from)?;
    Ok(match (ours, valid) {
        (Some(true), Some(true)) => Found::Valid,
        (Some(true), _) if !rule::holds("index/adopt-valid") => Found::Valid,
        (Some(true), _) => Found::Invalid,
        _ => Found::Foreign,
    })
}

/// The backends that build an index on a table.
async fn builds(queries: &impl Queries, table: &QualifiedName) -> Result<Vec<i32>, EngineError> {
    let rows = queries
        .query(BUILDING, &[(&table.to_string(), Type::TEXT)])
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get("pid").map_err(QueryError::from)?))
        .collect()
}

fn not_granted(step: &Step, started: Instant) -> EngineError {
    EngineError::StillBuilding {
        step: step.id.as_str().to_owned(),
        waited: started.elapsed(),
    }
}
