//! INSERT and COPY of new rows.

use rand::RngExt;

use crate::workload::app_table::KeyOrigin;
use crate::workload::side::{OnConflict, Row};
use crate::workload::transaction::{Fault, Transaction};

pub(super) async fn insert(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    if tx.sides.table.key_origin == KeyOrigin::Identity && tx.rng.random() {
        let row = tx.row(None);
        return by_identity(tx, row).await;
    }
    let rows: Vec<Row> = if tx.rng.random_ratio(1, 4) {
        (0..3)
            .map(|_| tx.keys.fresh())
            .map(|key| tx.full_row(key))
            .collect()
    } else {
        let key = tx.keys.fresh();
        vec![tx.row(Some(key))]
    };
    let made = tx
        .change(|side| side.insert(&rows, OnConflict::Fail))
        .await?;
    tx.made.extend(made);
    Ok(())
}

pub(super) async fn insert_null(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let columns = &tx.sides.table.columns;
    let nulled = tx.nullable(|place| columns[place].default.is_some());
    let key = tx.keys.fresh();
    let mut row = tx.row(Some(key));
    row.values.retain(|(place, _)| Some(*place) != nulled);
    row.values.extend(nulled.map(|place| (place, None)));
    let rows = [row];
    let made = tx
        .change(|side| side.insert(&rows, OnConflict::Fail))
        .await?;
    tx.made.extend(made);
    Ok(())
}

pub(super) async fn copy(tx: &mut Transaction<'_>) -> Result<(), Fault> {
    let shape = &tx.sides.app.shape;
    let places: Vec<usize> = (0..tx.sides.table.columns.len())
        .filter(|place| shape.plain(*place).is_some())
        .collect();
    let mut lines = String::new();
    for _ in 0..tx.rng.random_range(3..=10) {
        let key = tx.keys.fresh();
        let row = tx.full_row(key.clone());
        let copied = row
            .values
            .iter()
            .filter(|(place, _)| places.contains(place));
        let values = copied.map(|(_, value)| value.as_deref());
        let cells = key.0.iter().map(|value| Some(value.as_str())).chain(values);
        lines.push_str(&cells.map(cell).collect::<Vec<_>>().join("\t"));
        lines.push('\n');
        tx.made.push(key);
    }
    tx.copy(|side| side.copy(&places), &lines).await
}

/// The control table gets the key that the application's table has given out.
async fn by_identity(tx: &mut Transaction<'_>, row: Row) -> Result<(), Fault> {
    let sides = tx.sides;
    let rows = [row];
    let made = tx
        .keys_of(&sides.app.insert(&rows, OnConflict::Fail))
        .await?;
    let [row] = rows;
    let rows = [Row {
        key: made.first().cloned(),
        ..row
    }];
    tx.rows += tx
        .keys_of(&sides.control.insert(&rows, OnConflict::Fail))
        .await?
        .len() as u64;
    tx.made.extend(made);
    Ok(())
}

/// A value in COPY's text format.
fn cell(value: Option<&str>) -> String {
    let Some(value) = value else {
        return "\\N".to_owned();
    };
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            other => text.push(other),
        }
    }
    text
}
