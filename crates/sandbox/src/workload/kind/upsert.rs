//! Statements that insert or update, as they find it.

use rand::RngExt;

use crate::workload::side::OnConflict;
use crate::workload::transaction::{Fault, Transaction};

pub(super) async fn update(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    // Also brings back keys that were deleted.
    let key = tx.keys.any(tx.rng);
    let rows = [tx.row(Some(key))];
    tx.change(|side| side.insert(&rows, OnConflict::Update))
        .await?;
    Ok(())
}

pub(super) async fn nothing(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let key = if tx.rng.random() {
        tx.keys.fresh()
    } else {
        tx.keys.any(tx.rng)
    };
    let rows = [tx.row(Some(key))];
    let made = tx
        .change(|side| side.insert(&rows, OnConflict::Nothing))
        .await?;
    tx.made.extend(made);
    Ok(())
}

/// MERGE does not retry like an upsert: of two that insert the same key, one fails by its own
/// fault. So the row to update is locked first, and the key to insert is new.
pub(super) async fn merge(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let key = tx.keys.any(tx.rng);
    let locked = tx.lock_each(&[key]).await?;
    let [locked] = locked.as_slice() else {
        return Ok(());
    };
    let fresh = tx.keys.fresh();
    tx.made.push(fresh.clone());
    let row = tx.row(Some(fresh));
    let changes = tx.changes();
    tx.change_counted(|side| side.merge(locked, &changes, &row))
        .await?;
    Ok(())
}
