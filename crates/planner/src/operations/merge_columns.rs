//! `merge_columns`: several columns become one, computed from the source's row.
//!
//! It stands where the first of them stood. `down` takes it apart again, column by column.

use crossfade_plan::file::MergeColumns;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::Value;

use super::Place;
use crate::target::{TargetColumn, TargetTable, Written};

pub(super) fn apply(op: &MergeColumns, at: Place<'_>, target: &mut TargetTable<'_>) {
    let mut first = target.columns.len();
    for (item, column) in op.columns.iter().enumerate() {
        let name = column.ident();
        let Some(index) = target.carrier(name, &at.key("columns").item(item)) else {
            continue;
        };
        target.columns.remove(index);
        // What stood behind it has moved up.
        first = if index < first { index } else { first };
        if let Some(down) = op.down.get(column) {
            let value = Value::Expression(down.as_str().to_owned());
            // A column's own place in the map is found under the name as it is written.
            let path = at.key("down").key(&column.to_string());
            target.back.insert(name.clone(), Written { value, path });
        } else {
            target.back.remove(name);
            target.warn(
                HazardId::LossyReverse,
                Severity::Warning,
                format!("column {name}"),
                "rows written after the cutover have no value there if the migration is rolled back",
                "give down, an expression for each merged column",
            );
        }
    }
    let path = at.key("into");
    let Some(column_type) = target.named_type(&op.into.data_type, &path.clone().key("type")) else {
        return;
    };
    let value = Value::Expression(op.into.up.as_str().to_owned());
    let column = TargetColumn::computed(
        op.into.name.ident(),
        column_type,
        Written {
            value,
            path: path.clone().key("up"),
        },
        path.key("name"),
    );
    target
        .columns
        .insert(first.min(target.columns.len()), column);
}
