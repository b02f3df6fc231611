//! Data for programs: one object, with the name and version of its shape.

use serde::Serialize;

use crate::error::Failure;

#[derive(Serialize)]
struct Document<'a, T> {
    schema: String,
    #[serde(flatten)]
    data: &'a T,
}

/// Prints `data`, an object, with `schema: "crossfade.<command>/1"` in front.
pub(crate) fn print_json<T: Serialize>(command: &str, data: &T) -> Result<(), Failure> {
    let document = Document {
        schema: format!("crossfade.{command}/1"),
        data,
    };
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| Failure::of(crate::error::Code::Internal, &error))?;
    super::print(&text)
}
