//! `crossfade schema`: the JSON Schema of plan files.

use crossfade_plan::file::PlanFile;

use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run() -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(&PlanFile::json_schema())
        .map_err(|error| Failure::of(Code::Internal, &error))?;
    output::print(&text)?;
    Ok(Exit::Done)
}
