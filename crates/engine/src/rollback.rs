//! Rollback: undoes all that was done, and leaves nothing behind.
//!
//! Before the cutover that is one transaction. After it, a first one gives the old side its name
//! back; then constraints are validated and the new side is dropped, which nobody has to wait for.
//! Whoever waited for the new side's table or sequence meanwhile still finds it: dropped in the
//! first one, it would fail them with XX000.

pub(crate) mod altered;
mod leftovers;

use std::time::Instant;

use crossfade_dual_write::Gap;
use crossfade_plan::event::Event;
use crossfade_plan::{Ident, MigrationName, Progress, QualifiedName, Stage};
use crossfade_postgres::{Queries, QueryError, Transaction, TransactionSettings, failpoint, rule};
use crossfade_state::RelationOid;
use tokio_postgres::types::Type;

use crate::continuity;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::executor::Attempts;
use crate::holders;
use crate::runner::{Runner, StageEnd, under_lease};
use crate::stamp::Stamp;
use crate::watch::Watching;

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
        under_lease(self, &record, Watching::No, async move |runner| {
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
        let (step, outcome) = match runner.record.stage {
            Stage::RolledBack => return Ok(StageEnd::Reached { already: true }),
            found @ Stage::Contracted => return Err(EngineError::TooLate { found }),
            Stage::RollingBack => ("drop-new-side", leftovers::remove(runner).await),
            _ => ("rollback", attempt(runner, loss).await.map(Some)),
        };
        match outcome {
            Ok(Some(Stage::RolledBack)) => return Ok(StageEnd::Reached { already: false }),
            Ok(None) => return Ok(StageEnd::Stopped),
            Ok(Some(stage)) => {
                runner.record.stage = stage;
                attempts = Attempts::new(runner);
            }
            Err(_) if runner.stop().is_cancelled() => return Ok(StageEnd::Stopped),
            // After a lost connection the lease is taken anew, which waits for the transaction's
            // end; the stage tells then whether it was committed.
            Err(error) => attempts.pause(runner, step, error).await?,
        }
    }
}

/// The first transaction, in which the applications have to wait. Returns the stage after it.
async fn attempt(runner: &Runner<'_>, loss: Loss) -> Result<Stage, EngineError> {
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
    let compared = match new_side(runner).await? {
        Some(tables) => Some((tables, altered::check(runner, tables, loss).await?)),
        None => None,
    };
    holders::wait_for_long_ones(runner, &tables.map(ToString::to_string)).await?;
    let transaction = runner.begin("rollback", &settings).await?;
    match undo(runner, &transaction, loss, compared.as_ref()).await {
        Ok((locked_at, stage)) => {
            failpoint::hit("rollback/before-commit");
            let committed = transaction.commit().await;
            let held_us = u64::try_from(locked_at.elapsed().as_micros()).unwrap_or(u64::MAX);
            runner.engine.events.emit(Event::LocksReleased { held_us });
            committed?;
            failpoint::hit("rollback/committed");
            Ok(stage)
        }
        Err(error) => {
            transaction.abandon().await;
            Err(error)
        }
    }
}

/// Locks both tables in the direction of the writes, then undoes, last step first: triggers before
/// functions before tables, so that at no moment a trigger writes to what is gone. Returns when
/// the last lock was granted, and the stage that is reached.
async fn undo(
    runner: &Runner<'_>,
    transaction: &Transaction,
    loss: Loss,
    compared: Option<&([RelationOid; 2], Stamp)>,
) -> Result<(Instant, Stage), EngineError> {
    let (store, plan) = (&runner.engine.store, &runner.plan);
    let objects = &plan.objects;
    let cut_over = runner.record.stage >= Stage::CutOver;
    // Short of the swap, a step towards the next stage may be done before the stage is reached:
    // everything is undone alike, and each statement says `if exists`.
    let (from, mirror, progress) = if cut_over {
        (Stage::CutOver, &objects.retired, Progress::SwappedBack)
    } else {
        (Stage::Verified, &objects.target, Progress::RolledBack)
    };
    let mut locks = Vec::new();
    for table in [&plan.mapping.source, mirror] {
        if exists(transaction, &table.to_string()).await? {
            locks.push(format!("lock table only {table} in access exclusive mode"));
        }
    }
    let mut statements = Vec::new();
    if !cut_over && let Some(now) = moved_source(runner, transaction).await? {
        locks.push(format!("lock table only {now} in access exclusive mode"));
        let forward = &objects.forward;
        for trigger in [&forward.row_trigger, &forward.truncate_trigger] {
            statements.push(format!("drop trigger if exists {trigger} on {now}"));
        }
    }
    transaction.batch(&locks.join("; ")).await?;
    let locked_at = Instant::now();
    if cut_over {
        // Under the locks: nobody can add to it any more.
        let (missed, gap) = tokio::try_join!(
            async { Ok(store.reverse_loss(transaction, runner.record.id).await?) },
            reverse_gap(runner, transaction, compared),
        )?;
        if let (Some(missed), Loss::Refused) = (missed, loss)
            && rule::holds("rollback/no-loss")
        {
            return Err(EngineError::WindowClosed(missed));
        }
        if let (Some(gap), Loss::Refused) = (gap, loss)
            && rule::holds("rollback/continuity")
        {
            return Err(EngineError::Gap(gap));
        }
    }
    if let Some((tables, before)) = compared
        && rule::holds("rollback/stamp")
        && Stamp::read(transaction, *tables).await? != *before
    {
        return Err(EngineError::CatalogMoved);
    }
    let undo = plan.undo_from(from);
    statements.extend(undo.first.iter().map(ToString::to_string));
    transaction.batch(&statements.join(";\n")).await?;
    let stage = store
        .advance(
            transaction,
            runner.record.id,
            progress,
            &runner.engine.actor,
        )
        .await?;
    Ok((locked_at, stage))
}

/// Both tables after the cutover, the new one first; `None` before it.
async fn new_side(runner: &Runner<'_>) -> Result<Option<[RelationOid; 2]>, EngineError> {
    if runner.record.stage < Stage::CutOver {
        return Ok(None);
    }
    let (store, id) = (&runner.engine.store, runner.record.id);
    let session = store.session(&runner.tag("rollback")).await?;
    let record = store.dual_write_record(&session, id).await?;
    Ok(record.map(|record| [record.target, runner.record.table_oid]))
}

/// The source where somebody has renamed it or moved it to another schema since: its triggers went
/// along, and fail every write until they are gone.
async fn moved_source(
    runner: &Runner<'_>,
    transaction: &Transaction,
) -> Result<Option<QualifiedName>, EngineError> {
    const NAME: &str = "select n.nspname::text as schema, c.relname::text as name \
         from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace \
         where c.oid = $1";
    let oid = runner.record.table_oid.0;
    let Some(row) = transaction.query_opt(NAME, &[(&oid, Type::OID)]).await? else {
        return Ok(None);
    };
    let ident = |column| -> Result<Ident, EngineError> {
        let text: String = row.try_get(column).map_err(QueryError::from)?;
        Ident::new(text).map_err(|_| EngineError::NoTable(runner.plan.mapping.source.clone()))
    };
    let now = QualifiedName::new(ident("schema")?, ident("name")?);
    Ok((now != runner.plan.mapping.source).then_some(now))
}

/// A gap in reverse dual-write: the old side may lack writes that nobody counted.
async fn reverse_gap(
    runner: &Runner<'_>,
    transaction: &Transaction,
    compared: Option<&([RelationOid; 2], Stamp)>,
) -> Result<Option<Gap>, EngineError> {
    let Some(([new, _], _)) = compared else {
        return Ok(None);
    };
    let names = &runner.plan.objects.reverse;
    continuity::gap(runner, transaction, *new, names).await
}

/// Whether there is a table of this quoted name.
pub(crate) async fn exists(queries: &impl Queries, table: &str) -> Result<bool, EngineError> {
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
