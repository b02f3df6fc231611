//! The target is what the plan's steps made of it, and nothing else.
//!
//! Somebody's event trigger may have put row security or a column on the new table when it was
//! created, and somebody may alter it by hand later: after the swap the applications would have it.

use crossfade_plan::QualifiedName;
use crossfade_plan::fingerprint::{CatalogParts, Drift, DriftChange, drift};
use crossfade_postgres::catalog::Table;
use crossfade_postgres::{Queries, Transaction, TransactionSettings, rule};

use serde_json::Value;

use crate::error::EngineError;
use crate::preflight::dependents;
use crate::runner::Runner;

/// Records the new table, in front of the first row. Fails where something came with it that no
/// step has made.
pub(crate) async fn record_new(runner: &Runner<'_>) -> Result<(), EngineError> {
    let transaction = runner
        .begin("catalog", &TransactionSettings::default())
        .await?;
    let table = load(&transaction, &runner.plan.mapping.target).await?;
    let strange = dependents::stranded(&table);
    if !strange.is_empty() && rule::holds("expand/nothing-strange") {
        transaction.rollback().await?;
        let change = DriftChange::Added;
        let drifted = strange.into_iter().map(|part| Drift { part, change });
        return Err(EngineError::Drift(drifted.collect()));
    }
    let (store, id) = (&runner.engine.store, runner.record.id);
    let parts = table.parts();
    store
        .record_target_catalog(&transaction, id, &parts)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Records the target as it is when the backfill closes. Fails where more was done to it than
/// indexes and constraints were added.
pub(crate) async fn record_complete(
    runner: &Runner<'_>,
    transaction: &Transaction,
) -> Result<(), EngineError> {
    let (store, id) = (&runner.engine.store, runner.record.id);
    let parts = load(transaction, &runner.plan.mapping.target)
        .await?
        .parts();
    let built = store.target_catalog(transaction, id).await?;
    let built = built.unwrap_or_else(|| parts.clone());
    let mut drifted = drift(&built, &parts);
    drifted.retain(|one| !is_of_a_step(one, &built, &parts));
    if !drifted.is_empty() && rule::holds("backfill/target-as-built") {
        return Err(EngineError::Drift(drifted));
    }
    store.record_target_catalog(transaction, id, &parts).await?;
    Ok(())
}

/// What the steps after the copy do to the target: indexes, constraints, NOT NULL.
fn is_of_a_step(drift: &Drift, built: &CatalogParts, found: &CatalogParts) -> bool {
    let part = &drift.part;
    match drift.change {
        DriftChange::Added => part.starts_with("index ") || part.starts_with("constraint "),
        DriftChange::Changed => {
            part.starts_with("column ")
                && apart_from_not_null(built, part) == apart_from_not_null(found, part)
        }
        DriftChange::Removed => false,
    }
}

/// What is known of a column, but for NOT NULL.
fn apart_from_not_null(parts: &CatalogParts, part: &str) -> Option<Value> {
    let mut column: Value = serde_json::from_str(parts.get(part)?).ok()?;
    column.as_object_mut()?.remove("not_null");
    Some(column)
}

async fn load(queries: &impl Queries, name: &QualifiedName) -> Result<Table, EngineError> {
    let table = Table::load(queries, name).await?;
    table.ok_or_else(|| EngineError::NoTable(name.clone()))
}
