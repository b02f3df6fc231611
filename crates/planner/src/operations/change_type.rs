//! `change_type`: another type under the same name.
//!
//! Without `up` the value is cast to the new type and assigned, so that what is too long or too
//! large is refused, as an application's own write would be, and never cut off. Without `down` the
//! way back is a cast to the old type. A cast that reads the session's time zone is refused.

use crossfade_plan::file::ChangeType;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::{Totality, Value};

use super::Place;
use crate::casts;
use crate::error::PlanErrorKind;
use crate::target::{TargetTable, Written};

pub(super) fn apply(op: &ChangeType, at: Place<'_>, target: &mut TargetTable<'_>) {
    let name = op.column.ident();
    let Some(index) = target.carrier(name, &at.key("column")) else {
        return;
    };
    let Some(new) = target.named_type(&op.data_type, &at.key("type")) else {
        return;
    };
    let old = target.columns[index].column_type.clone();
    if target.columns[index].generated.is_some() {
        return target.refuse(
            PlanErrorKind::Dependent,
            at.key("column"),
            format!("column {name} is generated, and its expression decides its value"),
            "drop it and add a column with up and the new type",
        );
    }
    if target.columns[index].identity.is_some()
        && (op.up.is_some() || !matches!(new.builtin(), Some("int2" | "int4" | "int8")))
    {
        return target.refuse(
            PlanErrorKind::Type,
            at.key("type"),
            format!("column {name} is an identity column: it can be smallint, integer or bigint, without up"),
            "choose one of these types",
        );
    }
    let zoned = |one: &str, other: &str| old.builtin() == Some(one) && new.builtin() == Some(other);
    let reads_time_zone = zoned("timestamp", "timestamptz") || zoned("timestamptz", "timestamp");
    if reads_time_zone && (op.up.is_none() || op.down.is_none()) {
        return target.refuse(
            PlanErrorKind::Cast,
            at.key("type"),
            format!(
                "a cast from {} to {} depends on the session's time zone",
                old.sql_type, new.sql_type
            ),
            format!(
                "name the zone in both directions: up and down: {name} at time zone 'Europe/Berlin'"
            ),
        );
    }
    if reads_time_zone {
        target.warn(
            HazardId::PreparedStatements,
            Severity::Danger,
            format!("column {name}"),
            "applications whose TimeZone is not the zone of the expression read and write shifted values \
             after the cutover",
            "make sure that every role, database and session has the zone that up names",
        );
    }
    let column = &mut target.columns[index];
    let kept_collation = old
        .collation
        .clone()
        .filter(|_| old.is_text() && new.is_text());
    column.column_type = new.clone();
    if kept_collation.is_some() {
        column.column_type.collation = kept_collation;
        column.column_type.deterministic = old.deterministic;
    }
    column.retyped = true;
    column.path = at.key("type");
    column.image = Some(match &op.up {
        Some(up) => Written {
            value: Value::Expression(up.as_str().to_owned()),
            path: at.key("up"),
        },
        None => Written {
            value: Value::Cast(name.clone()),
            path: at.key("type"),
        },
    });
    let back = match &op.down {
        Some(down) => Written {
            value: Value::Expression(down.as_str().to_owned()),
            path: at.key("down"),
        },
        None => Written {
            value: Value::Cast(name.clone()),
            path: at.key("type"),
        },
    };
    target.back.insert(name.clone(), back);
    if op.up.is_none() && casts::totality(&old, &new) == Totality::Partial {
        target.warn(
            HazardId::BadValues,
            Severity::Warning,
            format!("column {name}"),
            format!(
                "a row whose value does not fit {} is set aside and keeps the cutover shut",
                new.sql_type
            ),
            "mend such rows in the table; the next backfill tries them again",
        );
    }
}
