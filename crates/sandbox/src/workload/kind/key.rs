//! UPDATE of primary keys.

use crate::workload::side::RowLock;
use crate::workload::transaction::{Fault, Transaction};

pub(super) async fn move_key(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let from = tx.keys.movable(tx.rng);
    let to = tx.keys.fresh_movable();
    let made = tx.change(|side| side.move_key(&from, &to)).await?;
    tx.made.extend(made);
    Ok(())
}

/// By way of a third key, since a primary key that is not deferrable is checked row by row.
pub(super) async fn swap_keys(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let (one, two) = (tx.keys.movable(tx.rng), tx.keys.movable(tx.rng));
    if one == two {
        return Ok(());
    }
    // Both rows are locked before the first one moves: from then on other transactions find
    // neither of the keys elsewhere. The second lock is not waited for while the first is held.
    for (key, lock) in [(&one, RowLock::Wait), (&two, RowLock::SkipLocked)] {
        let lock = tx.sides.app.lock(std::slice::from_ref(key), lock);
        if tx.keys_of(&lock).await?.is_empty() {
            return Ok(());
        }
    }
    let between = tx.keys.fresh_movable();
    for (from, to) in [(&one, &between), (&two, &one), (&between, &two)] {
        tx.change(|side| side.move_key(from, to)).await?;
    }
    Ok(())
}
