//! Readers: of a queue, with row locks, and of both tables.

use crate::workload::side::{RowLock, Sql};
use crate::workload::transaction::{Fault, Transaction};

pub(super) async fn nowait(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = [tx.keys.any(tx.rng)];
    let sql = tx.sides.app.lock(&keys, RowLock::Nowait);
    work_off(tx, sql).await
}

/// Takes the first of some rows that nobody else has taken.
pub(super) async fn skip_locked(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let keys = tx.keys.several(tx.rng, 4);
    let sql = tx.sides.app.lock(&keys, RowLock::SkipLocked);
    work_off(tx, sql).await
}

/// Both tables must show the same, in any snapshot.
pub(super) async fn compare(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    for key in tx.keys.several(tx.rng, 2) {
        let sql = tx.sides.same_row(&key);
        let rows = tx.query(&sql).await?;
        if !rows.iter().all(|row| row.try_get(0).unwrap_or(false)) {
            return Err(Fault::Diverged {
                statement: sql.text,
                reason: "a reader saw different rows in both tables",
            });
        }
        tx.rows += 1;
    }
    Ok(())
}

async fn work_off(tx: &mut Transaction<'_>, lock: Sql) -> Result<(), Fault> {
    let locked = tx.keys_of(&lock).await?;
    if locked.is_empty() {
        return Ok(());
    }
    let changes = tx.changes();
    tx.change(|side| side.update(&locked, &changes)).await?;
    Ok(())
}
