//! Rollback: undoes all that was done, in one transaction, and leaves nothing behind.

use std::time::Instant;

use crossfade_dual_write::Gap;
use crossfade_plan::event::Event;
use crossfade_plan::{MigrationName, Progress, Stage};
use crossfade_postgres::{Queries, QueryError, Transaction, TransactionSettings, failpoint};
use tokio_postgres::types::Type;

use crate::continuity;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::executor::Attempts;
use crate::holders;
use crate::runner::{Runner, StageEnd, under_lease};

/// Whether writes may be lost that the old side could not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Not one.
    Refused,
    /// Somebody has decided so.
    Accepted,
}

impl Engine {
    /// Undoes a migration from whatever stage it is in, before contract.
    pub async fn rollback(
        &self,
        name: &MigrationName,
        loss: Loss,
    ) -> Result<StageEnd, EngineError> {
        let record = self.record(name).await?;
        match record.stage {
            Stage::RolledBack => return Ok(StageEnd::Reached { already: true }),
            Stage::Contracted => {
                return Err(EngineError::TooLate {
                    found: record.stage,
                });
            }
            _ => {}
        }
        under_lease(self, &record, async move |runner| {
            roll_back_under_lease(runner, loss).await
        })
        .await
    }
}

async fn roll_back_under_lease(
    runner: &mut Runner<'_>,
    loss: Loss,
) -> Result<StageEnd, EngineError> {
    let mut attempts = Attempts::new(runner);
    loop {
        match runner.record.stage {
            Stage::RolledBack => return Ok(StageEnd::Reached { already: true }),
            found @ Stage::Contracted => return Err(EngineError::TooLate { found }),
            _ => {}
        }
        let from = runner.record.stage;
        let error = match attempt(runner, loss).await {
            Ok(()) => {
                restore_proofs(runner, from).await;
                return Ok(StageEnd::Reached { already: false });
            }
            Err(error) => error,
        };
        if runner.stop().is_cancelled() {
            return Ok(StageEnd::Stopped);
        }
        attempts.pause(runner, "rollback", error).await?;
    }
}

async fn attempt(runner: &Runner<'_>, loss: Loss) -> Result<(), EngineError> {
    let settings = TransactionSettings {
        lock_timeout: runner.plan.file.cutover.lock_timeout.get(),
        ..TransactionSettings::default()
    };
    let objects = &runner.plan.objects;
    let tables = [
        &runner.plan.mapping.source,
        &objects.target,
        &objects.retired,
    ];
    holders::wait_for_long_ones(runner, &tables.map(ToString::to_string)).await?;
    let transaction = runner.begin("rollback", &settings).await?;
    match undo(runner, &transaction, loss).await {
        Ok(locked_at) => {
            failpoint::hit("rollback/before-commit");
            let committed = transaction.commit().await;
            let held_us = u64::try_from(locked_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            runner.engine.events.emit(Event::LocksReleased { held_us });
            committed?;
            failpoint::hit("rollback/committed");
            Ok(())
        }
        Err(error) => {
            if let Err(second) = transaction.rollback().await {
                tracing::debug!(error = %second, "rollback after an error");
            }
            Err(error)
        }
    }
}

/// Locks both tables in the direction of the writes, then undoes, last step first: triggers before
/// functions before tables, so that at no moment a trigger writes to what is gone. Returns when
/// the last lock was granted.
async fn undo(
    runner: &Runner<'_>,
    transaction: &Transaction,
    loss: Loss,
) -> Result<Instant, EngineError> {
    let (store, plan) = (&runner.engine.store, &runner.plan);
    let objects = &plan.objects;
    let cut_over = runner.record.stage >= Stage::CutOver;
    // Short of the swap, a step towards the next stage may be done before the stage is reached:
    // everything is undone alike, and each statement says `if exists`.
    let (from, mirror) = if cut_over {
        (Stage::CutOver, &objects.retired)
    } else {
        (Stage::Verified, &objects.target)
    };
    let mut locks = Vec::new();
    for table in [&plan.mapping.source, mirror] {
        if exists(transaction, &table.to_string()).await? {
            locks.push(format!("lock table only {table} in access exclusive mode"));
        }
    }
    transaction.batch(&locks.join("; ")).await?;
    let locked_at = Instant::now();
    if cut_over {
        // Under the locks: nobody can add to it any more.
        let (missed, gap) = tokio::try_join!(
            async { Ok(store.reverse_loss(transaction, runner.record.id).await?) },
            reverse_gap(runner, transaction),
        )?;
        if let (Some(missed), Loss::Refused) = (missed, loss) {
            return Err(EngineError::WindowClosed(missed));
        }
        if let (Some(gap), Loss::Refused) = (gap, loss) {
            return Err(EngineError::Gap(gap));
        }
    }
    let statements = plan.undo_from(from).join(";\n");
    transaction.batch(&statements).await?;
    store
        .advance(
            transaction,
            runner.record.id,
            Progress::RolledBack,
            &runner.engine.actor,
        )
        .await?;
    Ok(locked_at)
}

/// A gap in reverse dual-write: the old side may lack writes that nobody counted.
async fn reverse_gap(
    runner: &Runner<'_>,
    transaction: &Transaction,
) -> Result<Option<Gap>, EngineError> {
    let (store, id) = (&runner.engine.store, runner.record.id);
    let Some(record) = store.dual_write_record(transaction, id).await? else {
        return Ok(None);
    };
    let names = &runner.plan.objects.reverse;
    continuity::gap(runner, transaction, record.target, names).await
}

async fn exists(queries: &impl Queries, table: &str) -> Result<bool, EngineError> {
    let row = queries
        .query_opt(
            "select pg_catalog.to_regclass($1) is not null as found",
            &[(&table, Type::TEXT)],
        )
        .await?;
    match row {
        Some(row) => Ok(row.try_get("found").map_err(QueryError::from)?),
        None => unreachable!("a select without a from clause returns one row"),
    }
}

/// Restores what takes a scan (constraints that came back NOT VALID), each in a transaction of its
/// own. The rollback is done by then: what fails here is told, with the statement to run by hand.
async fn restore_proofs(runner: &Runner<'_>, from: Stage) {
    let undone = runner
        .plan
        .steps
        .iter()
        .rev()
        .filter(|step| step.stage <= from);
    for statement in undone.flat_map(|step| &step.undo_after) {
        let restoring = async {
            let settings = TransactionSettings {
                statement_timeout: None,
                ..TransactionSettings::default()
            };
            let transaction = runner.begin("restore", &settings).await?;
            transaction.batch(statement).await?;
            transaction.commit().await?;
            Ok::<(), EngineError>(())
        };
        if let Err(error) = restoring.await {
            tracing::warn!(error = %error, "a constraint could not be validated again");
            let text = format!("rolled back, but this is still to be run by hand: {statement}");
            runner.engine.events.emit(Event::Warning { text });
        }
    }
}
