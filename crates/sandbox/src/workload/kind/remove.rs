//! DELETE and TRUNCATE.

use crate::workload::side::{OnConflict, Row, Side};
use crate::workload::transaction::{Fault, Transaction};

pub(super) async fn delete(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let key = tx.keys.any(tx.rng);
    tx.change(|side| side.delete(&key)).await?;
    Ok(())
}

/// The first statement takes the strongest lock on the application's table, so nobody who
/// holds a lock on the control table can wait for this transaction.
pub(super) async fn truncate(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    tx.change_counted(Side::truncate).await?;
    let rows: Vec<Row> = (1..=tx.rows_after_truncate.max(1))
        .map(|number| tx.keys.numbered(number))
        .map(|key| tx.full_row(key))
        .collect();
    // Statements of one size, so that few are prepared.
    for rows in rows.chunks(50) {
        tx.change(|side| side.insert(rows, OnConflict::Fail))
            .await?;
    }
    Ok(())
}
