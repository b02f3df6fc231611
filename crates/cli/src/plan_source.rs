//! Plan files as the command line names them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::file::{ParsedPlanFile, PlanFile};

use serde::Deserialize;

use crate::error::{Code, Failure, plan_file_failure};

/// The form of what `plan --out` writes.
const PLAN_SCHEMA: &str = "crossfade.plan/1";

/// More is never read: the parser refuses far smaller files, and a device has no end.
const MAX_BYTES: u64 = 16 << 20;

/// A plan file that was read.
#[derive(Debug)]
pub(crate) struct PlanSource {
    /// Its name for messages.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// What it says, and where.
    pub(crate) parsed: ParsedPlanFile,
}

impl PlanSource {
    /// Reads and checks a file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let (name, bytes) = if path == Path::new("-") {
            (
                "standard input".to_owned(),
                read_bounded(io::stdin().lock()),
            )
        } else {
            (
                path.display().to_string(),
                File::open(path).and_then(read_bounded),
            )
        };
        let bytes = bytes.map_err(|error| {
            Failure::new(Code::PlanFileUnreadable, format!("{name} cannot be read"))
                .because(Some(&error))
        })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Failure::new(
                Code::PlanFileUnreadable,
                format!("{name} is not UTF-8 text"),
            )
        })?;
        match PlanFile::parse(&text) {
            Ok(parsed) => Ok(Self { name, text, parsed }),
            Err(errors) => Err(plan_file_failure(&errors, &name, &text)),
        }
    }
}

fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What `crossfade plan --out` has written.
#[derive(Deserialize)]
struct PlanDocument {
    schema: String,
    plan: ExecutionPlan,
}

/// Reads an execution plan that was written for review.
pub(crate) fn read_plan_document(path: &Path) -> Result<ExecutionPlan, Failure> {
    let name = path.display();
    let bytes = File::open(path).and_then(read_bounded).map_err(|error| {
        Failure::new(Code::PlanFileUnreadable, format!("{name} cannot be read"))
            .because(Some(&error))
    })?;
    match serde_json::from_slice::<PlanDocument>(&bytes) {
        Ok(document) if document.schema == PLAN_SCHEMA => Ok(document.plan),
        Ok(document) => {
            let message = format!("{name} is a {:?}, not a {PLAN_SCHEMA:?}", document.schema);
            Err(Failure::new(Code::PlanDocument, message))
        }
        Err(error) => {
            let message = format!("{name} holds no execution plan of this version");
            Err(Failure::new(Code::PlanDocument, message).because(Some(&error)))
        }
    }
}
