//! `drop_column`: the target does not have the column; the old side keeps it until `contract`.
//!
//! With `down`, rows written after the cutover get a value there, and the way back loses nothing.

use crossfade_plan::file::DropColumn;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::Value;

use super::Place;
use crate::error::PlanErrorKind;
use crate::target::{TargetTable, Written};

pub(super) fn apply(op: &DropColumn, at: Place<'_>, target: &mut TargetTable<'_>) {
    let name = op.column.ident();
    let Some(index) = target.carrier(name, &at.key("column")) else {
        return;
    };
    let removed = target.columns.remove(index);
    if let (Some(_), Some(_)) = (&removed.generated, &op.down) {
        target.refuse(
            PlanErrorKind::Expression,
            at.key("down"),
            format!("column {name} is generated: the old side computes it itself"),
            "leave down out",
        );
    }
    match &op.down {
        Some(down) => {
            let value = Value::Expression(down.as_str().to_owned());
            target.back.insert(
                name.clone(),
                Written {
                    value,
                    path: at.key("down"),
                },
            );
        }
        None => {
            target.back.remove(name);
        }
    }
    if removed.generated.is_none() {
        target.warn(
            HazardId::DeletesData,
            Severity::Danger,
            format!("column {name}"),
            "its values are gone for good once the migration is contracted",
            "keep a copy if anybody may need them",
        );
        if op.down.is_none() {
            target.warn(
                HazardId::LossyReverse,
                Severity::Warning,
                format!("column {name}"),
                "rows written after the cutover have no value there if the migration is rolled back",
                "give down, an expression for their value",
            );
        }
    }
}
