//! Backfill: copies what was there before, closes, and builds the target's indexes and
//! constraints.

use crossfade_backfill::{Ending, Job, wait_for_horizon};
use crossfade_plan::execution::{Action, Step};
use crossfade_plan::{MigrationName, Progress, Stage, event::Event};
use crossfade_postgres::{ErrorClass, Queries, TransactionSettings, failpoint, rule};
use crossfade_state::Direction;
use crossfade_throttle::Throttle;

use crate::built;
use crate::continuity;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::executor::{self, Also, StepEnd};
use crate::expand::refuse_drift;
use crate::proof;
use crate::runner::{Runner, StageEnd, under_lease};
use crate::watch::Watching;

impl Engine {
    /// Runs or resumes the backfill up to [`Stage::Backfilled`]; does nothing if that was reached
    /// and no row is recorded as refused.
    pub async fn backfill(&self, name: &MigrationName) -> Result<StageEnd, EngineError> {
        let record = self.record(name).await?;
        match record.stage {
            found @ Stage::Planned => {
                return Err(EngineError::TooEarly {
                    found,
                    needed: Stage::Expanded,
                });
            }
            found @ (Stage::RollingBack | Stage::RolledBack) => {
                return Err(EngineError::TooLate { found });
            }
            Stage::CutOver | Stage::Contracted => return Ok(StageEnd::Reached { already: true }),
            Stage::Expanded | Stage::Backfilling | Stage::Backfilled | Stage::Verified => {}
        }
        under_lease(self, &record, Watching::Yes, async |runner| {
            backfill_under_lease(runner).await
        })
        .await
    }
}

async fn backfill_under_lease(runner: &mut Runner<'_>) -> Result<StageEnd, EngineError> {
    refuse_drift(runner).await?;
    mend_gap(runner).await?;
    if runner.has_reached(Stage::Backfilled) {
        return retry_refused_rows(runner).await;
    }
    start(runner).await?;
    loop {
        if let Some(end) = steps(runner).await? {
            return Ok(end);
        }
        match close(runner).await? {
            Closing::Gap => {}
            Closing::Stopped => return Ok(StageEnd::Stopped),
            Closing::Closed => break,
        }
    }
    // Constraints that were added after the copy may have refused what was written since.
    match retry_refused_rows(runner).await? {
        StageEnd::Reached { .. } => Ok(StageEnd::Reached { already: false }),
        end => Ok(end),
    }
}

/// Runs the steps that are not done. `None` when all of them are.
async fn steps(runner: &mut Runner<'_>) -> Result<Option<StageEnd>, EngineError> {
    let steps: Vec<Step> = runner.plan.steps_to(Stage::Backfilled).cloned().collect();
    for step in &steps {
        let end = match step.action {
            Action::Backfill => Box::pin(copy(runner, step)).await?,
            _ => match executor::run(runner, step, Also::Nothing).await? {
                StepEnd::Done => None,
                StepEnd::Stopped => Some(StageEnd::Stopped),
            },
        };
        if end.is_some() {
            return Ok(end);
        }
    }
    Ok(None)
}

/// Whether dual-write had a gap, which is mended now. Before the backfill has closed nothing is
/// lost: all of the table is copied again.
async fn mend_gap(runner: &mut Runner<'_>) -> Result<bool, EngineError> {
    let names = runner.plan.objects.forward.clone();
    let source = runner.record.table_oid;
    Ok(continuity::mend(runner, source, &names).await?.is_some())
}

async fn start(runner: &mut Runner<'_>) -> Result<(), EngineError> {
    let session = runner.engine.store.session(&runner.tag("analyze")).await?;
    analyze_if_never_done(runner, &session).await?;
    drop(session);
    let transaction = runner
        .begin("start", &TransactionSettings::default())
        .await?;
    let stage = runner
        .engine
        .store
        .advance(
            &transaction,
            runner.record.id,
            Progress::BackfillStarted,
            &runner.engine.actor,
        )
        .await?;
    transaction.commit().await?;
    runner.record.stage = stage;
    Ok(())
}

/// Without statistics the server would plan the chunks blindly.
async fn analyze_if_never_done(
    runner: &Runner<'_>,
    queries: &impl Queries,
) -> Result<(), EngineError> {
    use crossfade_postgres::catalog::Estimates;
    let estimates = Estimates::load(queries, runner.record.table_oid.0).await?;
    let unknown = estimates.is_some_and(|found| found.rows.is_none() && found.blocks > 0);
    if unknown && rule::holds("backfill/analyze-source") {
        queries
            .batch(&format!("analyze {}", runner.plan.mapping.source))
            .await?;
    }
    Ok(())
}

/// The step of the copy; `None` when it is done.
async fn copy(runner: &mut Runner<'_>, step: &Step) -> Result<Option<StageEnd>, EngineError> {
    if executor::is_done(runner, step).await? {
        return Ok(None);
    }
    let events = &runner.engine.events;
    events.emit(Event::StepStarted {
        step: step.id.clone(),
        title: step.title.clone(),
        stage: step.stage,
    });
    let ending = run_job(runner).await?;
    failpoint::hit("backfill/before-record");
    match ending {
        Ending::Stopped => return Ok(Some(StageEnd::Stopped)),
        Ending::Copied { row_errors } if row_errors > 0 => {
            return Ok(Some(StageEnd::RowErrors(row_errors)));
        }
        Ending::Copied { .. } => {}
    }
    let transaction = runner
        .begin("copied", &TransactionSettings::default())
        .await?;
    runner
        .engine
        .store
        .finish_step(&transaction, runner.record.id, &step.id)
        .await?;
    transaction.commit().await?;
    events.emit(Event::StepFinished {
        step: step.id.clone(),
    });
    Ok(None)
}

/// One run of the copy; recorded rows are tried again at its start.
async fn run_job(runner: &Runner<'_>) -> Result<Ending, EngineError> {
    let engine = runner.engine;
    // It writes the target: whoever waited for old snapshots before has to wait again.
    let transaction = runner
        .begin("forget", &TransactionSettings::default())
        .await?;
    engine
        .store
        .forget_horizon(&transaction, runner.record.id)
        .await?;
    transaction.commit().await?;
    let throttle = Throttle::start(
        engine.store.clone(),
        runner.record.id,
        &runner.plan.file,
        engine.events.clone(),
        runner.stop(),
    )
    .await;
    let job = Job {
        store: engine.store.clone(),
        lease: runner.lease().clone(),
        migration: runner.record.id,
        name: runner.record.name.clone(),
        mapping: runner.plan.mapping.clone(),
        source: runner.record.table_oid,
        settings: runner.plan.file.backfill.clone(),
        throttle,
        stop: runner.stop().clone(),
        events: engine.events.clone(),
        patience: engine.limits.max_wait,
    };
    Ok(Box::pin(job.run()).await?)
}

/// After the backfill has closed, a trigger may have recorded rows that the target refuses. Trying
/// them again writes to the target: like a repair, that voids what was proved, before the first
/// row is touched, and the horizon is waited for anew.
async fn retry_refused_rows(runner: &mut Runner<'_>) -> Result<StageEnd, EngineError> {
    let engine = runner.engine;
    let session = engine.store.session(&runner.tag("row-errors")).await?;
    let name = &runner.record.name;
    let refused = engine
        .store
        .row_error_count(&session, name, Direction::Forward)
        .await?;
    drop(session);
    if refused == 0 {
        // An earlier run may have tried them again, and died before the horizon had passed.
        if !horizon(runner).await? {
            return Ok(StageEnd::Stopped);
        }
        return Ok(StageEnd::Reached { already: true });
    }
    proof::void(runner).await?;
    let ending = run_job(runner).await?;
    if ending == Ending::Stopped || !horizon(runner).await? {
        return Ok(StageEnd::Stopped);
    }
    match ending {
        Ending::Copied { row_errors } if row_errors > 0 => Ok(StageEnd::RowErrors(row_errors)),
        _ => Ok(StageEnd::Reached { already: false }),
    }
}

/// How closing ended.
enum Closing {
    /// The stage is reached.
    Closed,
    /// Told to stop.
    Stopped,
    /// Dual-write had a gap since the run began: what passed by is copied first.
    Gap,
}

/// After the last write of ours: nobody may see the target as it was before.
async fn close(runner: &mut Runner<'_>) -> Result<Closing, EngineError> {
    failpoint::hit("backfill/before-horizon");
    if !horizon(runner).await? {
        return Ok(Closing::Stopped);
    }
    if mend_gap(runner).await? {
        return Ok(Closing::Gap);
    }
    let (engine, id) = (runner.engine, runner.record.id);
    let transaction = runner
        .begin("closed", &TransactionSettings::default())
        .await?;
    let closed = Progress::BackfillClosed;
    built::record_complete(runner, &transaction).await?;
    let stage = engine
        .store
        .advance(&transaction, id, closed, &engine.actor)
        .await?;
    failpoint::hit("backfill/before-close-commit");
    transaction.commit().await?;
    runner.record.stage = stage;
    Ok(Closing::Closed)
}

/// Waits until nobody can see the target as it was before our last write; `false` when told to
/// stop. Returns at once where an earlier run has waited and nothing of ours was written since.
pub(crate) async fn horizon(runner: &mut Runner<'_>) -> Result<bool, EngineError> {
    loop {
        let engine = runner.engine;
        let passed = wait_for_horizon(
            &engine.store,
            runner.lease(),
            &runner.tag("horizon"),
            engine.limits.max_wait,
            runner.stop(),
            &engine.events,
        )
        .await;
        match passed {
            Ok(passed) => return Ok(passed),
            Err(error) if error.class() == ErrorClass::Reconnect => runner.recover().await?,
            Err(error) => return Err(error.into()),
        }
    }
}
