//! `add_check`: a condition on the target's rows, added NOT VALID after the backfill and then
//! validated.

use crossfade_plan::file::AddCheck;
use crossfade_plan::hazard::{HazardId, Severity};

use super::Place;
use crate::error::PlanErrorKind;
use crate::target::{AddedCheck, TargetTable};

pub(super) fn apply(op: &AddCheck, at: Place<'_>, target: &mut TargetTable<'_>) {
    let name = op.name.ident();
    if target.source.constraint(name).is_some() {
        target.refuse(
            PlanErrorKind::NameTaken,
            at.key("name"),
            format!("{} has a constraint {name} already", target.source.name),
            "choose another name",
        );
    }
    target.checks.push(AddedCheck {
        name: name.clone(),
        check: op.check.clone(),
        path: at.key("check"),
    });
    target.warn(
        HazardId::BadValues,
        Severity::Warning,
        format!("constraint {name}"),
        "a row that breaks it keeps the cutover shut; after the cutover such a write fails",
        "mend such rows in the table before the backfill ends",
    );
}
