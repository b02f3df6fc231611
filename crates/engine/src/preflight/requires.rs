//! The migrations that must come first have come.

use crossfade_plan::Stage;

use super::{Context, Finding, Outcome};
use crate::error::EngineError;

const CHECK: &str = "requires";

/// Each required migration is cut over or contracted.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let mut missing = Vec::new();
    for name in &context.expansion.plan.file.requires {
        let record = match context.store {
            Some(store) => store.find(&context.session, name).await?,
            None => None,
        };
        match record.map(|record| record.stage) {
            Some(Stage::CutOver | Stage::Contracted) => {}
            Some(stage) => missing.push(format!("{name} ({stage})")),
            None => missing.push(format!("{name} (not registered)")),
        }
    }
    if missing.is_empty() {
        return Ok(Finding::pass(CHECK, "every required migration is complete"));
    }
    Ok(Finding::of(
        CHECK,
        Outcome::Fail,
        format!(
            "required migrations are not cut over: {}",
            missing.join(", ")
        ),
        "complete them first",
    ))
}
