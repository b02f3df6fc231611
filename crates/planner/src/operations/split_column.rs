//! `split_column`: one column becomes several, each computed from the source's row.
//!
//! They stand where the column stood. `down` puts it together again for the way back.

use crossfade_plan::file::SplitColumn;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::Value;

use super::Place;
use crate::target::{TargetColumn, TargetTable, Written};

pub(super) fn apply(op: &SplitColumn, at: Place<'_>, target: &mut TargetTable<'_>) {
    let name = op.column.ident();
    let Some(mut index) = target.carrier(name, &at.key("column")) else {
        return;
    };
    target.columns.remove(index);
    for (item, part) in op.into.iter().enumerate() {
        let path = at.key("into").item(item);
        let Some(column_type) = target.named_type(&part.data_type, &path.clone().key("type"))
        else {
            continue;
        };
        let value = Value::Expression(part.up.as_str().to_owned());
        let column = TargetColumn::computed(
            part.name.ident(),
            column_type,
            Written {
                value,
                path: path.clone().key("up"),
            },
            path.key("name"),
        );
        target.columns.insert(index, column);
        index += 1;
    }
    if let Some(down) = &op.down {
        let value = Value::Expression(down.as_str().to_owned());
        target.back.insert(
            name.clone(),
            Written {
                value,
                path: at.key("down"),
            },
        );
        return;
    }
    target.back.remove(name);
    target.warn(
        HazardId::LossyReverse,
        Severity::Warning,
        format!("column {name}"),
        "rows written after the cutover have no value there if the migration is rolled back",
        "give down, an expression that puts it together again",
    );
}
