//! The result of a stage command, as it is printed.

use std::io;

use crossfade_engine::StageEnd;
use crossfade_observe::progress::EventLines;
use crossfade_plan::{MigrationName, Stage};
use serde::Serialize;

use super::{Ended, Tally};
use crate::arguments::Format;
use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::output;

/// How a stage command's result is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Printer {
    /// One object at the end.
    Object(Format),
    /// Events meanwhile, and the result as the last line.
    Lines(Format),
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// It is reached now.
    Reached,
    /// It was reached before.
    Already,
    /// Told to stop; there is work left.
    Stopped,
    /// Rows could not be copied.
    RowErrors,
    /// Both sides are not proved to be equal.
    NotProved,
}

/// The result of a stage.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome<'a> {
    name: &'a MigrationName,
    end: End,
    stage: Stage,
    /// Rows that could not be copied.
    row_errors: u64,
    #[serde(flatten)]
    tally: &'a Tally,
    next: Option<&'a str>,
}

/// A command that failed: the last line of those that print lines. The error itself goes to
/// standard error.
#[derive(Serialize)]
struct Failed<'a> {
    name: &'a MigrationName,
    end: &'static str,
    code: &'static str,
}

impl<'a> Outcome<'a> {
    pub(crate) fn new<T>(ended: &'a Ended<T>, end: End, row_errors: u64) -> Self {
        let view = &ended.view;
        Self {
            name: &view.name,
            end,
            stage: view.stage,
            row_errors,
            tally: &ended.tally,
            next: view.next.as_deref(),
        }
    }

    /// One or two lines.
    pub(crate) fn text(&self) -> String {
        let Self { name, stage, .. } = self;
        let done = self.tally.text();
        let first = match self.end {
            End::Already => format!("{name} is {stage} already."),
            End::Reached if done.is_empty() => format!("{name} is {stage}."),
            End::Reached => format!("{name} is {stage}: {done}."),
            End::Stopped => format!("{name} was stopped in stage {stage}; what was done is kept."),
            End::RowErrors | End::NotProved => format!("{name} stays in stage {stage}."),
        };
        match self.next {
            Some(next) => format!("{}\nnext: {next}", output::sentence(&first)),
            None => output::sentence(&first),
        }
    }
}

impl Printer {
    /// Prints the result.
    pub(crate) fn print<T: Serialize>(
        self,
        command: &str,
        data: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self {
            Self::Object(Format::Text) | Self::Lines(Format::Text) => output::print(&text()),
            Self::Object(Format::Json) => output::print_json(command, data),
            Self::Lines(Format::Json) => last_line(command, data),
        }
    }

    /// Ends the lines of a command that failed.
    pub(super) fn failed(
        self,
        command: &str,
        name: &MigrationName,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let Self::Lines(Format::Json) = self else {
            return Ok(());
        };
        let failed = Failed {
            name,
            end: "failed",
            code: failure.code().page().code,
        };
        last_line(command, &failed)
    }
}

fn last_line<T: Serialize>(command: &str, data: &T) -> Result<(), Failure> {
    match EventLines::new(io::stdout(), command).result(data) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(output::unwritable(&error)),
        Ok(()) => Ok(()),
    }
}

impl Ended<StageEnd> {
    /// Prints how the stage ended, and says how the command does.
    pub(crate) fn finish(self, command: &str, printer: Printer) -> Result<Exit, Failure> {
        let (end, rows) = match self.end {
            Some(StageEnd::Reached { already: true }) => (End::Already, 0),
            Some(StageEnd::Reached { already: false }) => (End::Reached, 0),
            Some(StageEnd::RowErrors(rows)) => (End::RowErrors, rows),
            Some(StageEnd::Stopped) | None => (End::Stopped, 0),
        };
        let outcome = Outcome::new(&self, end, rows);
        printer.print(command, &outcome, || outcome.text())?;
        end.exit(rows, &self.view.name)
    }
}

impl End {
    /// How the command ends.
    pub(crate) fn exit(self, row_errors: u64, name: &MigrationName) -> Result<Exit, Failure> {
        match self {
            Self::Reached | Self::Already => Ok(Exit::Done),
            Self::Stopped => Ok(Exit::Stopped),
            Self::RowErrors => Err(row_errors_left(row_errors, name)),
            Self::NotProved => unreachable!("its verdict says how the command ends"),
        }
    }
}

fn row_errors_left(rows: u64, name: &MigrationName) -> Failure {
    let (rows, have) = match rows {
        1 => ("1 row".to_owned(), "has"),
        rows => (format!("{rows} rows"), "have"),
    };
    Failure::new(
        Code::RowErrorsLeft,
        format!("{rows} cannot be copied and {have} been recorded by key"),
    )
    .next(format!(
        "Read the state's table row_error, mend these rows in the table, and run \
         `crossfade backfill {name}` again: it tries them first."
    ))
}
