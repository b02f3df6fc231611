//! Event triggers that run with what the migration does to the schema.

use super::{Context, Finding, Outcome};
use crate::error::EngineError;
use crate::event_triggers::enabled;

const CHECK: &str = "events";

/// A warning: nobody can tell what they do.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let found = enabled(&context.session).await?;
    if found.is_empty() {
        return Ok(Finding::pass(CHECK, "no event triggers"));
    }
    let names: Vec<String> = found.into_iter().map(|one| one.name).collect();
    Ok(Finding::of(
        CHECK,
        Outcome::Warn,
        format!("event triggers run with each step: {}", names.join(", ")),
        "make sure that they allow to create, alter and drop the tables and functions of the migration; one \
         that refuses a DROP is met in contract or rollback only",
    ))
}
