//! UPDATE of values.

use crate::workload::side::Change;
use crate::workload::transaction::{Fault, Transaction};

pub(super) async fn update(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = [tx.keys.any(tx.rng)];
    let changes = tx.changes();
    tx.change(|side| side.update(&keys, &changes)).await?;
    Ok(())
}

pub(super) async fn update_null(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = [tx.keys.any(tx.rng)];
    let place = tx.nullable(|_| true);
    let changes: Vec<Change> = place
        .map(|place| Change::Set(place, None))
        .into_iter()
        .collect();
    tx.change(|side| side.update(&keys, &changes)).await?;
    Ok(())
}

/// Locks the rows in order first: the statement itself takes them in the order of its plan, and
/// two such statements could wait for each other.
pub(super) async fn update_many(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = tx.keys.pinned(tx.rng, 5);
    let locked = tx.lock_each(&keys).await?;
    if locked.is_empty() {
        return Ok(());
    }
    let changes = tx.changes();
    tx.change(|side| side.update(&locked, &changes)).await?;
    Ok(())
}
