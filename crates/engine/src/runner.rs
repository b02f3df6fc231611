//! A runner: this process, working on one migration under its lease.

use std::time::{Duration, Instant};

use crossfade_plan::event::Event;
use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::{Stage, Status};
use crossfade_postgres::{ErrorClass, Transaction, TransactionSettings};
use crossfade_state::{Acquired, HeartbeatTask, Lease, MigrationRecord, StateError, Watched};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::explain::explain;
use crate::journal::Journal;
use crate::patience::Patience;
use crate::watch::{Watch, Watching};

/// Pause between two attempts to reach a server that is away.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// What is told when the work begins again.
const LEASE_RAN_OUT: &str = "the lease ran out; asking for it again";
const ALTERED: &str = "somebody altered the table or a trigger; looking what became of them";

/// How a stage ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageEnd {
    /// It is reached; `already` if it was before this run.
    Reached {
        /// Whether an earlier run had reached it.
        already: bool,
    },
    /// Told to stop; the next run goes on from here.
    Stopped,
    /// Rows could not be copied; they are recorded.
    RowErrors(u64),
}

/// What a stage's work comes to.
pub(crate) trait Ending {
    /// Whether it was left before its end, because it was told to stop.
    fn is_stopped(&self) -> bool;
}

impl Ending for StageEnd {
    fn is_stopped(&self) -> bool {
        *self == Self::Stopped
    }
}

/// Runs the work of a stage under the migration's lease, and again, from what is recorded, after
/// failures that pass, if the lease ran out without anybody taking it (the server was away for
/// longer than it lives: what was open then has been fenced out), and if somebody altered the table
/// or the triggers meanwhile, so that the stage looks what became of them.
pub(crate) async fn under_lease<T: Ending>(
    engine: &Engine,
    record: &MigrationRecord,
    watching: Watching,
    work: impl AsyncFn(&mut Runner<'_>) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let (journal, engine) = Journal::open(engine, record.id);
    let result = until_it_lasts(&engine, record, watching, work).await;
    journal.close().await;
    result
}

async fn until_it_lasts<T: Ending>(
    engine: &Engine,
    record: &MigrationRecord,
    watching: Watching,
    work: impl AsyncFn(&mut Runner<'_>) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let mut patience = Patience::new(engine);
    loop {
        let mut runner = match Runner::start(engine, record.clone(), watching).await {
            Ok(runner) => runner,
            Err(error) => {
                patience.pause(engine, error).await?;
                continue;
            }
        };
        let began = Instant::now();
        let result = Box::pin(work(&mut runner)).await;
        patience.worked_since(began);
        let again = if engine.stop.is_cancelled() {
            None
        } else {
            runner.must_begin_again(&result).await
        };
        let result = match again {
            Some(_) => Ok(None),
            None => match result {
                Ok(end) => Ok(Some(end)),
                Err(error) => Err(explain(&runner, error).await),
            },
        };
        match runner.finish(result).await {
            Ok(Some(end)) => return Ok(end),
            Ok(None) => {}
            Err(error) => patience.pause(engine, error).await?,
        }
        if let Some(why) = again {
            let text = why.to_owned();
            engine.events.emit(Event::Note { text });
        }
    }
}

/// The lease of a migration, its plan, and a heartbeat.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) record: MigrationRecord,
    pub(crate) plan: ExecutionPlan,
    lease: Lease,
    heartbeat: HeartbeatTask,
    watch: Option<Watch>,
    stop: CancellationToken,
}

impl<'a> Runner<'a> {
    /// Takes the lease of a registered migration: at once if it is free, after its time if its
    /// owner gives no more sign of life.
    pub(crate) async fn start(
        engine: &'a Engine,
        record: MigrationRecord,
        watching: Watching,
    ) -> Result<Self, EngineError> {
        let lease = acquire(engine, &record).await?;
        let session = engine
            .store
            .session(&format!("{}/start", record.name))
            .await?;
        // Only now: before the lease was ours, another runner may have moved on.
        let record = engine.store.migration(&session, record.id).await?;
        let plan = engine.store.plan(&session, record.id).await?;
        engine
            .store
            .set_status(&session, record.id, Status::Running, None)
            .await?;
        drop(session);
        let watch = match watching {
            Watching::Yes => {
                let every = HeartbeatTask::interval(&lease);
                Some(Watch::start(engine, &record, every).await?)
            }
            Watching::No => None,
        };
        let (heartbeat, stop) = beat(engine, &lease, watch.as_ref());
        Ok(Self {
            engine,
            record,
            plan,
            lease,
            heartbeat,
            watch,
            stop,
        })
    }

    /// Under which everything is written.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Finish what is open and leave: asked by the user, the lease is lost, or something was altered.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The tag of a statement.
    pub(crate) fn tag(&self, role: &str) -> String {
        format!("{}/{role}", self.record.name)
    }

    /// Opens a transaction that can only commit under the lease.
    pub(crate) async fn begin(
        &self,
        role: &str,
        settings: &TransactionSettings,
    ) -> Result<Transaction, EngineError> {
        Ok(self
            .engine
            .store
            .begin_fenced(&self.lease, &self.tag(role), settings)
            .await?)
    }

    /// Takes the lease anew after a connection was lost. When it returns, whatever was open has
    /// ended, and the state tells how.
    pub(crate) async fn recover(&mut self) -> Result<(), EngineError> {
        self.lease = self.engine.store.reacquire(&self.lease).await?;
        (self.heartbeat, self.stop) = beat(self.engine, &self.lease, self.watch.as_ref());
        let session = self.engine.store.session(&self.tag("recover")).await?;
        self.record = self
            .engine
            .store
            .migration(&session, self.record.id)
            .await?;
        Ok(())
    }

    /// Why the work did not come to its end, if a new beginning tells more.
    async fn must_begin_again<T: Ending>(
        &self,
        result: &Result<T, EngineError>,
    ) -> Option<&'static str> {
        let lost = self.heartbeat.lost().is_cancelled();
        match result {
            Ok(end) if lost && end.is_stopped() => return Some(LEASE_RAN_OUT),
            Err(EngineError::State(StateError::FencedOut { .. })) => {
                return lost.then_some(LEASE_RAN_OUT);
            }
            _ => {}
        }
        let watch = self.watch.as_ref()?;
        let altered = match result {
            Ok(end) => end.is_stopped() && watch.altered().is_cancelled(),
            Err(error) => !error.passes() && watch.looks_altered().await,
        };
        altered.then_some(ALTERED)
    }

    /// Gives the lease back and records how it went.
    pub(crate) async fn finish<T>(self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        self.heartbeat.stop().await;
        let (status, text) = match &result {
            Ok(_) => (Status::Pending, None),
            Err(error) if error.is_wait() => (Status::Waiting, Some(error.to_string())),
            Err(error) => (Status::Failed, Some(error.to_string())),
        };
        let closing = async {
            let session = self
                .engine
                .store
                .session(&format!("{}/finish", self.record.name))
                .await?;
            let record = self
                .engine
                .store
                .migration(&session, self.record.id)
                .await?;
            let status = if record.stage.is_final() {
                Status::Done
            } else {
                status
            };
            self.engine
                .store
                .set_status(&session, record.id, status, text.as_deref())
                .await?;
            drop(session);
            self.engine.store.release(&self.lease).await
        };
        // What went wrong before is what matters; a lease that is not given back expires.
        if let Err(error) = closing.await {
            tracing::warn!(error = %error, "the lease could not be given back");
        }
        result
    }

    /// Whether an earlier run has reached `stage`.
    pub(crate) fn has_reached(&self, stage: Stage) -> bool {
        self.record.stage >= stage && !self.record.stage.is_undone()
    }
}

fn beat(
    engine: &Engine,
    lease: &Lease,
    watch: Option<&Watch>,
) -> (HeartbeatTask, CancellationToken) {
    let heartbeat = HeartbeatTask::spawn(engine.store.clone(), lease.clone());
    // Any of them: the user's wish, the loss of the lease, an altered table.
    let stop = engine.stop.child_token();
    let reasons = [
        Some(heartbeat.lost().clone()),
        watch.map(|watch| watch.altered().clone()),
    ];
    for reason in reasons.into_iter().flatten() {
        let told = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = reason.cancelled() => told.cancel(),
                () = told.cancelled() => {}
            }
        });
    }
    (heartbeat, stop)
}

async fn acquire(engine: &Engine, record: &MigrationRecord) -> Result<Lease, EngineError> {
    let ttl = engine.limits.lease_ttl;
    let started = Instant::now();
    loop {
        match engine.store.acquire(record.id, &engine.process, ttl).await {
            Ok(Acquired::Acquired(lease)) => return Ok(lease),
            Ok(Acquired::HeldBy(holder)) => {
                engine.events.emit(Event::Note {
                    text: format!(
                        "{} holds the lease; watching whether it is alive",
                        holder.owner
                    ),
                });
                if let Watched::Held(holder) = engine.store.watch_until_free(record.id, ttl).await?
                {
                    return Err(EngineError::LeaseHeld(holder));
                }
            }
            // The last owner is gone, its transaction not yet: the server ends it when it notices.
            Err(StateError::TakeoverBlocked { .. })
                if started.elapsed() < engine.limits.max_wait =>
            {
                engine.events.emit(Event::Note {
                    text: "a transaction of the last runner is still open; waiting for its end"
                        .to_owned(),
                });
            }
            Err(error)
                if error.class() == ErrorClass::Reconnect
                    && started.elapsed() < engine.limits.max_wait =>
            {
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
        if engine.stop.is_cancelled() {
            return Err(EngineError::StoppedBeforeLease);
        }
    }
}
