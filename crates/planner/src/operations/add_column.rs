//! `add_column`: a column that the source does not have.
//!
//! With `up`, it is computed from the source's columns for every row, old and new. Without `up`, it
//! has no image: the target's own default fills it, once, and NULL where there is none. A volatile
//! default is no problem here, since no table is rewritten. `not_null` is built after the backfill.

use crossfade_plan::Ident;
use crossfade_plan::file::AddColumn;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::Value;

use super::Place;
use crate::error::PlanErrorKind;
use crate::target::{CheckedOnly, TargetColumn, TargetTable, Written};

pub(super) fn apply(op: &AddColumn, at: Place<'_>, target: &mut TargetTable<'_>) {
    let Some(column_type) = target.named_type(&op.data_type, &at.key("type")) else {
        return;
    };
    if op.not_null && op.up.is_none() && op.default.is_none() {
        target.refuse(
            PlanErrorKind::Type,
            at.key("not_null"),
            format!(
                "nothing gives column {} a value, and it refuses NULL",
                op.name.ident()
            ),
            "give it up or default, or leave not_null out",
        );
    }
    let name: &Ident = op.name.ident();
    target.columns.push(TargetColumn {
        name: name.clone(),
        column_type,
        carries: None,
        retyped: false,
        image: op.up.as_ref().map(|up| Written {
            value: Value::Expression(up.as_str().to_owned()),
            path: at.key("up"),
        }),
        default: op
            .default
            .as_ref()
            .map(|default| default.as_str().to_owned()),
        default_path: op.default.as_ref().map(|_| at.key("default")),
        generated: None,
        identity: None,
        not_null: op.not_null,
        path: at.key("name"),
    });
    if let Some(down) = &op.down {
        target.checked_only.push(CheckedOnly {
            column: name.clone(),
            text: down.as_str().to_owned(),
            path: at.key("down"),
        });
    }
    let filled = match (&op.up, &op.default) {
        (Some(_), _) => {
            "the triggers that fill it go with the cutover: from then on applications write it themselves"
        }
        (None, Some(_)) => "existing rows take its default when they are copied",
        (None, None) => "it is NULL in existing rows",
    };
    target.warn(
        HazardId::ColumnAdded,
        Severity::Warning,
        format!("column {name}"),
        format!(
            "{filled}; insert and copy without a column list, and select *, see one column more \
             after the cutover"
        ),
        "name the columns in such statements before the cutover",
    );
}
