//! `create index concurrently`: outside any transaction, watched, and repaired when it broke.

use std::time::{Duration, Instant};

use crossfade_plan::QualifiedName;
use crossfade_plan::event::{Event, RetryClass};
use crossfade_plan::execution::Step;
use crossfade_postgres::{
    ErrorClass, Queries, QueryError, Session, TransactionSettings, failpoint,
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

const LOOK_EVERY: Duration = Duration::from_millis(200);

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
    if is_building(&session, table).await? {
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
            return Ok(watched(runner, session, &drop)
                .await?
                .then_some(StepEnd::Stopped));
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
        Ok(true) => return Ok(Some(StepEnd::Stopped)),
        Ok(false) => {}
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
    if because.class() == ErrorClass::Reconnect {
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

/// Runs one statement until its end, or cancels it when told to stop; `true` if it was cancelled.
async fn watched(
    runner: &Runner<'_>,
    session: Session,
    statement: &str,
) -> Result<bool, EngineError> {
    let token = session.cancel_token();
    let work = session.batch(statement);
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => {
            done?;
            return Ok(false);
        }
        () = runner.stop().cancelled() => {}
    }
    // Dropping the future would leave the statement running: it is cancelled, and waited for.
    runner.engine.database().cancel_direct(&token).await?;
    match work.await {
        Ok(()) => Ok(false),
        Err(_) => Ok(true),
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
        (Some(true), _) => Found::Invalid,
        _ => Found::Foreign,
    })
}

async fn is_building(queries: &impl Queries, table: &QualifiedName) -> Result<bool, EngineError> {
    let rows = queries
        .query(BUILDING, &[(&table.to_string(), Type::TEXT)])
        .await?;
    Ok(!rows.is_empty())
}

fn not_granted(step: &Step, started: Instant) -> EngineError {
    EngineError::StillBuilding {
        step: step.id.as_str().to_owned(),
        waited: started.elapsed(),
    }
}
