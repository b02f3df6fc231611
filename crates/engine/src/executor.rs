//! Carries out steps: those that a transaction can hold, each recorded in the transaction that did
//! it, so that a run that died between the two does not exist.

use std::time::Duration;

use crossfade_plan::Progress;
use crossfade_plan::event::{Event, RetryClass};
use crossfade_plan::execution::{Action, Blocking, Step};
use crossfade_postgres::{ErrorClass, Queries, Transaction, TransactionSettings, failpoint};

use crate::concurrent_index;
use crate::continuity;
use crate::error::EngineError;
use crate::holders;
use crate::runner::Runner;

/// How a step ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepEnd {
    /// It is done and recorded, now or by an earlier run.
    Done,
    /// Told to stop before it was done.
    Stopped,
}

/// What is recorded together with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Also {
    /// Nothing more.
    Nothing,
    /// The stage that is reached by it, and what dual-write is if that is [`Progress::Expanded`].
    Progress(Progress),
}

/// Carries out a step that is not a procedure of its own, unless it is recorded as done.
pub(crate) async fn run(
    runner: &mut Runner<'_>,
    step: &Step,
    also: Also,
) -> Result<StepEnd, EngineError> {
    if is_done(runner, step).await? {
        return Ok(StepEnd::Done);
    }
    let started = Event::StepStarted {
        step: step.id.clone(),
        title: step.title.clone(),
        stage: step.stage,
    };
    runner.engine.events.emit(started);
    let session = runner.engine.store.session(&runner.tag("step")).await?;
    runner
        .engine
        .store
        .start_step(&session, runner.record.id, &step.id)
        .await?;
    drop(session);
    failpoint::hit(&format!("step/{}/started", step.id));
    let end = match &step.action {
        Action::ConcurrentIndex { index, table } => {
            Box::pin(concurrent_index::build(runner, step, index, table)).await?
        }
        Action::Transaction => Box::pin(in_transaction(runner, step, also)).await?,
        Action::Backfill | Action::Verify | Action::Swap => {
            unreachable!("procedures are carried out by their stages")
        }
    };
    failpoint::hit(&format!("step/{}/finished", step.id));
    if end == StepEnd::Done {
        runner.engine.events.emit(Event::StepFinished {
            step: step.id.clone(),
        });
    }
    Ok(end)
}

/// Whether a step is recorded as done.
pub(crate) async fn is_done(runner: &Runner<'_>, step: &Step) -> Result<bool, EngineError> {
    let session = runner.engine.store.session(&runner.tag("step")).await?;
    let steps = runner
        .engine
        .store
        .steps(&session, runner.record.id)
        .await?;
    Ok(steps
        .iter()
        .any(|record| record.id == step.id && record.finished_at.is_some()))
}

/// Runs the statements and records the step in one transaction, again and again until its locks
/// are granted or the time is up.
async fn in_transaction(
    runner: &mut Runner<'_>,
    step: &Step,
    also: Also,
) -> Result<StepEnd, EngineError> {
    let mut attempts = Attempts::new(runner);
    loop {
        if runner.stop().is_cancelled() {
            return Ok(StepEnd::Stopped);
        }
        let error = match attempt(runner, step, also).await {
            Ok(()) => return Ok(StepEnd::Done),
            Err(error) => error,
        };
        attempts.pause(runner, step.id.as_str(), error).await?;
        // After a lost connection nobody knows whether the step was committed. The lease was taken
        // anew, which waited for that transaction's end: the record is final now.
        if is_done(runner, step).await? {
            return Ok(StepEnd::Done);
        }
    }
}

async fn attempt(runner: &Runner<'_>, step: &Step, also: Also) -> Result<(), EngineError> {
    let blocking: Vec<String> = step
        .locks
        .iter()
        .filter(|lock| lock.level.blocks_writes())
        .map(|lock| lock.relation.to_string())
        .collect();
    if !blocking.is_empty() {
        holders::wait_for_long_ones(runner, &blocking).await?;
    }
    let transaction = runner
        .begin(step.id.as_str(), &settings_of(runner, step))
        .await?;
    match statements(runner, &transaction, step, also).await {
        Ok(()) => {
            failpoint::hit(&format!("step/{}/before-commit", step.id));
            transaction.commit().await?;
            Ok(())
        }
        Err(error) => {
            transaction.abandon().await;
            Err(error)
        }
    }
}

async fn statements(
    runner: &Runner<'_>,
    transaction: &Transaction,
    step: &Step,
    also: Also,
) -> Result<(), EngineError> {
    for statement in &step.statements {
        transaction.batch(statement).await?;
    }
    let store = &runner.engine.store;
    store
        .finish_step(transaction, runner.record.id, &step.id)
        .await?;
    if let Also::Progress(progress) = also {
        if progress == Progress::Expanded {
            continuity::record(runner, transaction).await?;
        }
        store
            .advance(
                transaction,
                runner.record.id,
                progress,
                &runner.engine.actor,
            )
            .await?;
    }
    Ok(())
}

/// A step that scans holds no lock that blocks writes, and may take as long as it takes; every
/// other one is over in no time or has met something that it should not wait for.
fn settings_of(runner: &Runner<'_>, step: &Step) -> TransactionSettings {
    TransactionSettings {
        lock_timeout: runner.plan.file.cutover.lock_timeout.get(),
        statement_timeout: (step.blocking != Blocking::Scan && !scans(step))
            .then_some(Duration::from_secs(30)),
        ..TransactionSettings::default()
    }
}

/// Whether the length of the step depends on the size of the table, without blocking anybody.
fn scans(step: &Step) -> bool {
    step.locks.iter().all(|lock| !lock.level.blocks_writes())
}

/// Attempts at one thing: how often, how long, and what to do before the next.
#[derive(Debug)]
pub(crate) struct Attempts {
    count: u32,
    started: std::time::Instant,
    pause: Duration,
}

impl Attempts {
    pub(crate) fn new(runner: &Runner<'_>) -> Self {
        let policy = runner.engine.lock_policy();
        Self {
            count: 0,
            started: std::time::Instant::now(),
            pause: policy.first_pause,
        }
    }

    /// After a failure that passes: pauses, and takes the lease anew if the connection was lost.
    /// Fails with any other, or when the time is up.
    pub(crate) async fn pause(
        &mut self,
        runner: &mut Runner<'_>,
        step: &str,
        error: EngineError,
    ) -> Result<(), EngineError> {
        self.count += 1;
        let class = match error.class() {
            ErrorClass::Retry => RetryClass::Lock,
            ErrorClass::Reconnect => RetryClass::Connection,
            ErrorClass::Row | ErrorClass::Privilege | ErrorClass::Unknown => return Err(error),
        };
        let policy = runner.engine.lock_policy();
        if self.started.elapsed() > policy.give_up_after {
            let last = Box::new(error);
            return Err(EngineError::LockNotGranted {
                step: step.to_owned(),
                attempts: self.count,
                last,
            });
        }
        let events = &runner.engine.events;
        if class == RetryClass::Lock {
            events.emit(Event::LockAttempt {
                attempt: self.count,
                granted: false,
            });
        }
        // Growing and jittered: between two attempts, whoever queued behind us gets through.
        let pause = self.pause.mul_f64(rand::random_range(0.5..=1.0));
        self.pause = (self.pause * 2).min(policy.longest_pause);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        events.emit(Event::Retry { class, pause_ms });
        tracing::info!(error = %error, step, attempt = self.count, "trying again");
        tokio::select! {
            () = runner.stop().cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        if class == RetryClass::Connection {
            self.recover(runner).await?;
        }
        Ok(())
    }

    /// Takes the lease anew, as often as it needs for the server to be back.
    async fn recover(&mut self, runner: &mut Runner<'_>) -> Result<(), EngineError> {
        loop {
            match runner.recover().await {
                Ok(()) => return Ok(()),
                Err(error)
                    if matches!(error.class(), ErrorClass::Reconnect | ErrorClass::Retry)
                        && self.started.elapsed() < runner.engine.limits.max_wait =>
                {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
