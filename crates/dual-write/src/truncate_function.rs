//! The function of the TRUNCATE trigger: empties the mirror with the written table.

use crate::direction::Direction;

/// The body of the function.
pub(crate) fn body(direction: &Direction<'_>) -> String {
    let forget = match direction.refusals.after_truncate() {
        Some(statement) if direction.can_refuse() => format!("\n  {statement}"),
        _ => String::new(),
    };
    format!(
        "begin\n  truncate table only {};{forget}\n  return null;\nend",
        direction.mapping.target
    )
}
