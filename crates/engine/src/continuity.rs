//! Whether dual-write has run without a gap since it was created.

use crossfade_dual_write::{Continuity, Gap};
use crossfade_plan::event::Event;
use crossfade_plan::execution::{Action, DualWriteNames, Step};
use crossfade_plan::{Progress, Stage};
use crossfade_postgres::{Queries, QueryError, Transaction, TransactionSettings, rule};
use crossfade_state::{DualWriteRecord, RelationOid, StateError};
use tokio_postgres::types::Type;

use crate::error::EngineError;
use crate::proof;
use crate::runner::Runner;

/// Stores what the forward triggers are, in the transaction that created them.
pub(crate) async fn record(
    runner: &Runner<'_>,
    transaction: &Transaction,
) -> Result<(), EngineError> {
    let source = runner.record.table_oid.0;
    let names = &runner.plan.objects.forward;
    let continuity = Continuity::read(transaction, source, names)
        .await?
        .map_err(EngineError::Gap)?;
    let target = oid_of(transaction, &runner.plan.mapping.target.to_string()).await?;
    let record = DualWriteRecord {
        target,
        continuity: serde_json::to_string(&continuity)
            .map_err(|error| unreadable(runner, error))?,
    };
    runner
        .engine
        .store
        .record_dual_write(transaction, runner.record.id, &record)
        .await?;
    Ok(())
}

/// Stores what the reverse triggers are, in the transaction of the swap.
pub(crate) async fn record_reverse(
    runner: &Runner<'_>,
    transaction: &Transaction,
    target: RelationOid,
) -> Result<(), EngineError> {
    let names = &runner.plan.objects.reverse;
    let continuity = Continuity::read(transaction, target.0, names)
        .await?
        .map_err(EngineError::Gap)?;
    let continuity =
        serde_json::to_string(&continuity).map_err(|error| unreadable(runner, error))?;
    let record = DualWriteRecord { target, continuity };
    runner
        .engine
        .store
        .record_dual_write(transaction, runner.record.id, &record)
        .await?;
    Ok(())
}

/// Where dual-write had a gap, if it had one.
pub(crate) async fn gap(
    runner: &Runner<'_>,
    queries: &impl Queries,
    table: RelationOid,
    names: &DualWriteNames,
) -> Result<Option<Gap>, EngineError> {
    let (_, then) = recorded(runner, queries).await?;
    Ok(then.gap(queries, table.0, names).await?)
}

/// Takes the triggers as they are now for the new beginning, if they had a gap and do again what
/// they did. Whatever was proved is void; an open backfill copies all of the table again, and the
/// full verification that must come before the swap finds what passed a closed one by. Triggers that do not do what they did are refused,
/// and void the proof too.
///
/// Returns the gap that was mended.
pub(crate) async fn mend(
    runner: &mut Runner<'_>,
    table: RelationOid,
    names: &DualWriteNames,
) -> Result<Option<Gap>, EngineError> {
    let transaction = runner
        .begin("continuity", &TransactionSettings::default())
        .await?;
    match mend_in(runner, &transaction, table, names).await {
        Ok(Some((gap, stage))) => {
            transaction.commit().await?;
            runner.record.stage = stage;
            runner.engine.events.emit(Event::Warning {
                text: format!(
                    "dual-write had a gap: {gap}; a full verification will show what it missed"
                ),
            });
            Ok(Some(gap))
        }
        Ok(None) => {
            transaction.rollback().await?;
            Ok(None)
        }
        Err(error) => {
            transaction.abandon().await;
            if let EngineError::Gap(_) = error {
                proof::void(runner).await?;
            }
            Err(error)
        }
    }
}

async fn mend_in(
    runner: &Runner<'_>,
    transaction: &Transaction,
    table: RelationOid,
    names: &DualWriteNames,
) -> Result<Option<(Gap, Stage)>, EngineError> {
    let (record, then) = recorded(runner, transaction).await?;
    let Some(gap) = then.gap(transaction, table.0, names).await? else {
        return Ok(None);
    };
    // A function can be replaced while a writer under it is open: what that one commits later must
    // have been committed before anybody looks for what passed by.
    let written = &runner.plan.mapping.source;
    let lock = format!("lock table only {written} in share row exclusive mode");
    transaction.batch(&lock).await?;
    let now = match Continuity::read(transaction, table.0, names).await? {
        Ok(now) if now.does_the_same_as(&then) => now,
        _ => return Err(EngineError::Gap(gap)),
    };
    let (store, id) = (&runner.engine.store, runner.record.id);
    let continuity = serde_json::to_string(&now).map_err(|error| unreadable(runner, error))?;
    let record = DualWriteRecord {
        continuity,
        ..record
    };
    store.record_dual_write(transaction, id, &record).await?;
    let stage = if runner.record.stage == Stage::CutOver {
        Stage::CutOver
    } else {
        if !runner.has_reached(Stage::Backfilled) && rule::holds("backfill/gap-copies-again") {
            copy_again(runner, transaction).await?;
        }
        store
            .advance(transaction, id, Progress::ProofVoided, &runner.engine.actor)
            .await?
    };
    Ok(Some((gap, stage)))
}

/// What passed by may lie anywhere: no range is known to be complete any more, and the copy is
/// not finished.
async fn copy_again(runner: &Runner<'_>, transaction: &Transaction) -> Result<(), EngineError> {
    let (store, id) = (&runner.engine.store, runner.record.id);
    store.forget_ranges(transaction, id).await?;
    let copies = |step: &&Step| step.action == Action::Backfill;
    for step in runner.plan.steps.iter().filter(copies) {
        store.reopen_step(transaction, id, &step.id).await?;
    }
    Ok(())
}

/// What was stored when the triggers were created, or mended.
async fn recorded(
    runner: &Runner<'_>,
    queries: &impl Queries,
) -> Result<(DualWriteRecord, Continuity), EngineError> {
    let record = runner
        .engine
        .store
        .dual_write_record(queries, runner.record.id)
        .await?;
    let Some(record) = record else {
        return Err(EngineError::TooEarly {
            found: runner.record.stage,
            needed: Stage::Expanded,
        });
    };
    let then =
        serde_json::from_str(&record.continuity).map_err(|error| unreadable(runner, error))?;
    Ok((record, then))
}

/// The OID of a relation, by its quoted name.
pub(crate) async fn oid_of(
    queries: &impl Queries,
    quoted: &str,
) -> Result<RelationOid, EngineError> {
    let row = queries
        .query_opt(
            "select $1::text::pg_catalog.regclass::oid as oid",
            &[(&quoted, Type::TEXT)],
        )
        .await?;
    match row {
        Some(row) => Ok(RelationOid(row.try_get("oid").map_err(QueryError::from)?)),
        None => unreachable!("a select without a from clause returns one row"),
    }
}

fn unreadable(runner: &Runner<'_>, error: serde_json::Error) -> EngineError {
    StateError::Unreadable {
        what: "the continuity proof",
        migration: runner.record.id,
        source: Some(error.into()),
    }
    .into()
}
