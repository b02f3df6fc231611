//! A plan on paper: for people, for psql, and for programs.

mod sql;
mod text;

use crossfade_plan::execution::ExecutionPlan;
use serde_json::{Value, json};

pub use sql::sql;
pub use text::text;

/// The schema of [`json()`].
pub const JSON_SCHEMA: &str = "crossfade.plan/1";

/// The whole plan as one JSON object with its schema's name.
///
/// # Panics
/// Never: a plan holds only what JSON can hold.
pub fn json(plan: &ExecutionPlan) -> Value {
    let plan = serde_json::to_value(plan).expect("a plan has string keys and finite numbers");
    json!({ "schema": JSON_SCHEMA, "plan": plan })
}

/// How a stage is introduced: what a command of that name does.
fn stage_title(stage: crossfade_plan::Stage) -> &'static str {
    use crossfade_plan::Stage;
    match stage {
        Stage::Planned => "plan",
        Stage::Expanded => "expand",
        Stage::Backfilling | Stage::Backfilled => "backfill",
        Stage::Verified => "verify",
        Stage::CutOver => "cutover",
        Stage::Contracted => "contract",
        Stage::RollingBack | Stage::RolledBack => "rollback",
    }
}
