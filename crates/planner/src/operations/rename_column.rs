//! `rename_column`: another name for the same values, both ways.
//!
//! Nobody sees the new name before the cutover, and nobody the old one after it: the applications
//! change over with it.

use crossfade_plan::file::RenameColumn;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::Value;

use super::Place;
use crate::target::{TargetTable, Written};

pub(super) fn apply(op: &RenameColumn, at: Place<'_>, target: &mut TargetTable<'_>) {
    let (old, new) = (op.column.ident(), op.to.ident());
    let Some(index) = target.carrier(old, &at.key("column")) else {
        return;
    };
    let column = &mut target.columns[index];
    column.name = new.clone();
    column.path = at.key("to");
    if column.generated.is_none() {
        let value = Value::Column(new.clone());
        target.back.insert(
            old.clone(),
            Written {
                value,
                path: at.key("column"),
            },
        );
    }
    target.warn(
        HazardId::PreparedStatements,
        Severity::Warning,
        format!("column {old}"),
        format!(
            "statements that name {old} fail from the cutover on, those that name {new} before it"
        ),
        "release the applications with the cutover, or let them ask for either name",
    );
}
