//! Transactions of several changes: with savepoints, rolled back, or held open.

use crate::workload::key::Key;
use crate::workload::side::OnConflict;
use crate::workload::transaction::{Fault, Transaction};

/// A change before the savepoint, changes that are rolled back to it, and a change after that.
pub(super) async fn savepoint(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = tx.keys.pinned(tx.rng, 3);
    let (first, rest) = keys
        .split_first()
        .map_or((None, &keys[..]), |(first, rest)| (Some(first), rest));
    if let Some(first) = first {
        change(tx, first).await?;
    }
    tx.batch("savepoint inner_changes").await?;
    let rows_before = tx.rows;
    if let Some(second) = rest.first() {
        tx.change(|side| side.delete(second)).await?;
    }
    let key = tx.keys.fresh();
    let rows = [tx.row(Some(key))];
    tx.change(|side| side.insert(&rows, OnConflict::Fail))
        .await?;
    tx.batch("rollback to savepoint inner_changes").await?;
    tx.rows = rows_before;
    if let Some(last) = rest.last() {
        change(tx, last).await?;
    }
    Ok(())
}

/// An update, an insert and a delete.
pub(super) async fn changes(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = tx.keys.pinned(tx.rng, 2);
    if let Some(first) = keys.first() {
        change(tx, first).await?;
    }
    let key = tx.keys.fresh();
    let rows = [tx.row(Some(key))];
    tx.change(|side| side.insert(&rows, OnConflict::Fail))
        .await?;
    if let Some(last) = keys.last() {
        tx.change(|side| side.delete(last)).await?;
    }
    Ok(())
}

/// Two changes with a pause between them, of keys that are not hot: the hottest rows would be
/// locked most of the time.
pub(super) async fn long(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = tx.keys.pinned_loaded(tx.rng, 2);
    if let Some(first) = keys.first() {
        change(tx, first).await?;
    }
    // The pace of an application; nothing waits for it to be over.
    tokio::time::sleep(tx.hold).await;
    if let Some(last) = keys.last() {
        change(tx, last).await?;
    }
    Ok(())
}

async fn change(tx: &mut Transaction<'_>, key: &Key) -> Result<(), Fault> {
    let changes = tx.changes();
    tx.change(|side| side.update(std::slice::from_ref(key), &changes))
        .await?;
    Ok(())
}
