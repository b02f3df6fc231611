//! Cutover: the swap, in one transaction of a few milliseconds, asked for politely.

use std::time::{Duration, Instant};

use crossfade_plan::event::Event;
use crossfade_plan::execution::{Action, Step};
use crossfade_plan::{MigrationName, Progress, Stage};
use crossfade_postgres::{Queries, Transaction, TransactionSettings, failpoint, rule};
use crossfade_state::RelationOid;

use crate::continuity;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::executor::Attempts;
use crate::gate::{self, Shut};
use crate::holders;
use crate::proof;
use crate::rollback::altered;
use crate::runner::{Runner, StageEnd, under_lease};
use crate::stamp::Stamp;
use crate::watch::Watching;

impl Engine {
    /// Swaps the tables; does nothing if that was done before.
    pub async fn cutover(&self, name: &MigrationName) -> Result<StageEnd, EngineError> {
        let record = self.record(name).await?;
        match record.stage {
            Stage::CutOver | Stage::Contracted => return Ok(StageEnd::Reached { already: true }),
            found if found.is_undone() => return Err(EngineError::TooLate { found }),
            found if found < Stage::Verified => {
                return Err(EngineError::TooEarly {
                    found,
                    needed: Stage::Verified,
                });
            }
            _ => {}
        }
        under_lease(self, &record, Watching::No, async |runner| {
            cut_over_under_lease(runner).await
        })
        .await
    }
}

async fn cut_over_under_lease(runner: &mut Runner<'_>) -> Result<StageEnd, EngineError> {
    let Some(step) = runner
        .plan
        .steps
        .iter()
        .find(|step| step.action == Action::Swap)
        .cloned()
    else {
        unreachable!("every plan has a swap");
    };
    let mut attempts = Attempts::new(runner);
    loop {
        if runner.has_reached(Stage::CutOver) {
            altered::record(runner).await?;
            return Ok(StageEnd::Reached { already: true });
        }
        if runner.stop().is_cancelled() {
            return Ok(StageEnd::Stopped);
        }
        let error = match Box::pin(attempt(runner, &step)).await {
            Ok(()) => {
                altered::record(runner).await?;
                return Ok(StageEnd::Reached { already: false });
            }
            Err(error) => void_if_disproved(runner, error).await,
        };
        // After a lost connection the lease is taken anew, which waits for the transaction's end;
        // the stage tells then whether it was committed.
        attempts.pause(runner, step.id.as_str(), error).await?;
    }
}

/// Where the gate has found that what was proved no longer is, goes back to where a verification is
/// needed. Returns what is to be told: that, or why it could not go back.
async fn void_if_disproved(runner: &mut Runner<'_>, error: EngineError) -> EngineError {
    let voided = match error {
        EngineError::GateShut(Shut::Gap(_)) => {
            let (source, names) = (runner.record.table_oid, runner.plan.objects.forward.clone());
            continuity::mend(runner, source, &names).await.map(drop)
        }
        EngineError::GateShut(Shut::Drift(_)) => proof::void(runner).await,
        _ => Ok(()),
    };
    voided.err().unwrap_or(error)
}

async fn attempt(runner: &Runner<'_>, step: &Step) -> Result<(), EngineError> {
    let tables = tables(runner).await?;
    let session = runner.engine.store.session(&runner.tag("gate")).await?;
    if let Some(shut) = gate::check_state(runner, &session).await? {
        return Err(EngineError::GateShut(shut));
    }
    drop(session);
    let compared = gate::compare_catalogs(runner, tables)
        .await?
        .map_err(EngineError::GateShut)?;
    let names: Vec<String> = step
        .locks
        .iter()
        .map(|lock| lock.relation.to_string())
        .collect();
    // Told to stop: the attempt is made all the same, and is short; the loop leaves after it.
    holders::wait_for_long_ones(runner, &names).await?;
    let settings = TransactionSettings {
        lock_timeout: runner.plan.file.cutover.lock_timeout.get(),
        idle_timeout: Duration::from_secs(1),
        ..TransactionSettings::default()
    };
    let transaction = runner.begin("swap", &settings).await?;
    match swap(runner, &transaction, step, tables, &compared).await {
        Ok(locked_at) => {
            failpoint::hit("cutover/before-commit");
            let committed = transaction.commit().await;
            let held_us = u64::try_from(locked_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            runner.engine.events.emit(Event::LocksReleased { held_us });
            committed?;
            failpoint::hit("cutover/committed");
            Ok(())
        }
        Err(error) => {
            transaction.abandon().await;
            Err(error)
        }
    }
}

/// The source and the target, by OID: names change hands in the swap.
async fn tables(runner: &Runner<'_>) -> Result<[RelationOid; 2], EngineError> {
    let session = runner.engine.store.session(&runner.tag("gate")).await?;
    let record = runner
        .engine
        .store
        .dual_write_record(&session, runner.record.id)
        .await?;
    let Some(record) = record else {
        let found = runner.record.stage;
        return Err(EngineError::TooEarly {
            found,
            needed: Stage::Expanded,
        });
    };
    Ok([runner.record.table_oid, record.target])
}

/// Locks, looks, swaps; returns when the last lock was granted.
async fn swap(
    runner: &Runner<'_>,
    transaction: &Transaction,
    step: &Step,
    tables: [RelationOid; 2],
    compared: &Stamp,
) -> Result<Instant, EngineError> {
    // The written side first, then its mirror, as every write does: the other order makes the
    // applications deadlock victims.
    let reversed = !rule::holds("cutover/written-side-first");
    let mut locks: Vec<_> = step.locks.iter().collect();
    if reversed {
        locks.reverse();
    }
    let locks: Vec<String> = locks
        .into_iter()
        .map(|lock| format!("lock table only {} in {} mode", lock.relation, lock.level))
        .collect();
    transaction.batch(&locks.join("; ")).await?;
    let locked_at = Instant::now();
    // Only now: a look before the locks would miss what committed while they were waited for.
    match gate::check(runner, transaction, tables, compared).await? {
        None => {}
        // Something changed between the comparison and the locks: compare again.
        Some(Shut::Drift(drifted)) if drifted.is_empty() => return Err(EngineError::CatalogMoved),
        Some(shut) => return Err(EngineError::GateShut(shut)),
    }
    failpoint::hit("cutover/locked");
    transaction.batch(&step.statements.join(";\n")).await?;
    failpoint::hit("cutover/swapped");
    let (store, id) = (&runner.engine.store, runner.record.id);
    tokio::try_join!(
        async { Ok(store.finish_step(transaction, id, &step.id).await?) },
        continuity::record_reverse(runner, transaction, tables[1]),
        async {
            let actor = &runner.engine.actor;
            Ok(store
                .advance(transaction, id, Progress::CutOver, actor)
                .await?)
        },
    )?;
    Ok(locked_at)
}

impl EngineError {
    /// Why the gate is shut, if that is what this says.
    pub fn shut(&self) -> Option<&Shut> {
        match self {
            Self::GateShut(shut) => Some(shut),
            _ => None,
        }
    }
}
