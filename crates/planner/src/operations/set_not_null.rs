//! `set_not_null`: no NULL in a column.
//!
//! `up` gives the value that takes the place of NULL. The constraint is built after the backfill
//! from a CHECK, so that no scan runs under a lock that blocks writes.

use crossfade_plan::file::SetNotNull;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::Value;

use super::Place;
use crate::target::{TargetTable, Written};

pub(super) fn apply(op: &SetNotNull, at: Place<'_>, target: &mut TargetTable<'_>) {
    let name = op.column.ident();
    let Some(index) = target.carrier(name, &at.key("column")) else {
        return;
    };
    let column = &mut target.columns[index];
    if let Some(up) = &op.up {
        // Only NULL is replaced: the expression over the column itself decides, and the name is
        // quoted, so that it means the column whatever it is called.
        let value = Value::Expression(format!(
            "case when {name} is null then (\n{up}\n) else {name} end"
        ));
        column.image = Some(Written {
            value,
            path: at.key("up"),
        });
    }
    column.not_null = true;
    if op.up.is_none() {
        target.warn(
            HazardId::BadValues,
            Severity::Warning,
            format!("column {name}"),
            "a row with NULL there is set aside and keeps the cutover shut; after the cutover such a write fails",
            "give up, a value for NULL, or mend the rows; make sure that no application writes NULL",
        );
    }
}
