//! An error as one JSON object.

use serde::Serialize;

use super::Failure;
use super::failure::Label;

#[derive(Serialize)]
struct Object<'a> {
    schema: &'static str,
    code: &'static str,
    message: String,
    state: &'static str,
    next: &'a str,
    position: Option<PositionObject<'a>>,
    /// Further places: other errors of the same file, or what the first one is at odds with.
    related: Vec<PositionObject<'a>>,
}

#[derive(Serialize)]
struct PositionObject<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

/// One line.
pub(crate) fn as_json(failure: &Failure) -> String {
    let page = failure.code().page();
    let mut message = failure.message().to_owned();
    for cause in failure.causes() {
        message.push_str(": ");
        message.push_str(cause);
    }
    let mut places = failure.place().into_iter().flat_map(|place| {
        place.labels.iter().map(
            |Label {
                 line, column, text, ..
             }| PositionObject {
                file: &place.file,
                line: *line,
                column: *column,
                message: text,
            },
        )
    });
    let object = Object {
        schema: "crossfade.error/1",
        code: page.code,
        message,
        state: page.state,
        next: failure.next_step(),
        position: places.next(),
        related: places.collect(),
    };
    serde_json::to_string(&object).expect("texts and numbers are JSON")
}
