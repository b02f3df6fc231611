//! `create index concurrently`: outside any transaction, watched, and repaired when it broke.

mod connection;
mod found;
mod queue;
mod sentinel;
mod watched;

use std::time::{Duration, Instant};

use crossfade_plan::QualifiedName;
use crossfade_plan::event::{Event, RetryClass};
use crossfade_plan::execution::Step;
use crossfade_postgres::{ErrorClass, Queries, TransactionSettings, failpoint};
use tokio_postgres::types::Type;

use self::connection::Connection;
use self::found::Found;
use self::queue::Queue;
use self::watched::{Because, Watched};
use crate::error::EngineError;
use crate::executor::StepEnd;
use crate::runner::Runner;

/// Before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);

const CANCEL: &str = "select pg_catalog.pg_cancel_backend($1)";

/// One index, and what is built by which step.
struct Build<'a> {
    step: &'a Step,
    index: &'a QualifiedName,
    table: &'a QualifiedName,
    started: Instant,
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
    let build = Build {
        step,
        index,
        table,
        started: Instant::now(),
    };
    loop {
        if runner.stop().is_cancelled() {
            return Ok(StepEnd::Stopped);
        }
        match build.attempt(runner).await {
            Ok(Some(end)) => return Ok(end),
            // Something was in the way and is not any more: look again.
            Ok(None) => {}
            Err(error)
                if error.class() == ErrorClass::Reconnect && !build.took_too_long(runner) =>
            {
                tell_pause(runner, RetryClass::Connection);
                tokio::time::sleep(PAUSE).await;
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

impl Build<'_> {
    /// `None` where there is to be another one.
    async fn attempt(&self, runner: &Runner<'_>) -> Result<Option<StepEnd>, EngineError> {
        let Self {
            step, index, table, ..
        } = *self;
        let connection = Connection::open(runner, "index").await?;
        if self.wait_for_others(runner, &connection).await? == StepEnd::Stopped {
            return Ok(Some(StepEnd::Stopped));
        }
        let found = found::find(&connection.session, index, table).await?;
        match found {
            Found::Foreign => return Err(EngineError::IndexNameTaken(index.clone())),
            Found::Valid => return self.record(runner).await.map(Some),
            Found::Invalid | Found::Nothing => {}
        }
        if queue(runner, &connection, connection.pid)
            .await?
            .table_wanted
        {
            return self.give_way(runner).await;
        }
        if found == Found::Invalid {
            let end = found::drop_invalid(runner, &connection, index).await?;
            return match end {
                Watched::Done => Ok(None),
                Watched::Cancelled(because) => self.cancelled(runner, because).await,
            };
        }
        // Fenced before and after; in between no transaction of ours is open, or the build would
        // wait for it.
        runner
            .begin("index", &TransactionSettings::default())
            .await?
            .commit()
            .await?;
        let statement = step.statements.join("; ");
        let outcome = watched::run(runner, &connection, &statement).await;
        failpoint::hit(&format!("step/{}/built", step.id));
        match outcome {
            Ok(Watched::Done) => self.record(runner).await.map(Some),
            // What it leaves is dropped by the next attempt.
            Ok(Watched::Cancelled(because)) => self.cancelled(runner, because).await,
            Err(error) => {
                found::clean_up(runner, index, table, &error).await;
                Err(error)
            }
        }
    }

    /// Waits until nobody else is at work on the index. A build goes on at the server without its
    /// runner where the server has not seen that it is gone.
    async fn wait_for_others(
        &self,
        runner: &Runner<'_>,
        connection: &Connection,
    ) -> Result<StepEnd, EngineError> {
        let session = &connection.session;
        loop {
            let others = found::at_work(session, self.index, self.table).await?;
            if others.is_empty() {
                return Ok(StepEnd::Done);
            }
            for pid in others {
                // Nobody watches it but us.
                if queue(runner, connection, pid).await?.in_the_way {
                    cancel(session, pid).await?;
                }
            }
            if self.took_too_long(runner) {
                return Err(EngineError::StillBuilding {
                    step: self.step.id.as_str().to_owned(),
                    waited: self.started.elapsed(),
                });
            }
            tokio::select! {
                () = runner.stop().cancelled() => return Ok(StepEnd::Stopped),
                () = tokio::time::sleep(connection.pace.look_every) => {}
            }
        }
    }

    /// What follows when a statement was not let come to its end.
    async fn cancelled(
        &self,
        runner: &Runner<'_>,
        because: Because,
    ) -> Result<Option<StepEnd>, EngineError> {
        match because {
            Because::Stopped => Ok(Some(StepEnd::Stopped)),
            Because::InTheWay => self.give_way(runner).await,
            Because::Waited(pids) => Err(EngineError::TablesInUse { pids }),
        }
    }

    /// Lets whoever waited get through before the next attempt, which finds what was left.
    async fn give_way(&self, runner: &Runner<'_>) -> Result<Option<StepEnd>, EngineError> {
        if self.took_too_long(runner) {
            return Err(EngineError::BuildInTheWay {
                step: self.step.id.as_str().to_owned(),
            });
        }
        tell_pause(runner, RetryClass::Lock);
        tokio::select! {
            () = runner.stop().cancelled() => Ok(Some(StepEnd::Stopped)),
            () = tokio::time::sleep(PAUSE) => Ok(None),
        }
    }

    async fn record(&self, runner: &Runner<'_>) -> Result<StepEnd, EngineError> {
        let transaction = runner
            .begin("index", &TransactionSettings::default())
            .await?;
        runner
            .engine
            .store
            .finish_step(&transaction, runner.record.id, &self.step.id)
            .await?;
        transaction.commit().await?;
        Ok(StepEnd::Done)
    }

    fn took_too_long(&self, runner: &Runner<'_>) -> bool {
        self.started.elapsed() > runner.engine.limits.max_wait
    }
}

async fn queue(
    runner: &Runner<'_>,
    connection: &Connection,
    pid: i32,
) -> Result<Queue, EngineError> {
    let source = &runner.plan.mapping.source;
    Queue::around(&connection.session, pid, source, connection.pace).await
}

/// Cancels what another backend does, if it is one of our role's.
async fn cancel(queries: &impl Queries, pid: i32) -> Result<(), EngineError> {
    match queries.query_opt(CANCEL, &[(&pid, Type::INT4)]).await {
        Ok(_) => Ok(()),
        Err(error) if error.class() == ErrorClass::Privilege => {
            tracing::debug!(error = %error, pid, "somebody else's work on the index");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn tell_pause(runner: &Runner<'_>, class: RetryClass) {
    let pause_ms = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
    runner.engine.events.emit(Event::Retry { class, pause_ms });
}
