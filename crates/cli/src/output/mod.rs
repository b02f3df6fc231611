//! What goes to standard output: data, and nothing else.

mod json;
mod table;
mod wrap;

use std::io::{self, ErrorKind, Write};

use crate::error::{Code, Failure};

pub(crate) use json::print_json;
pub(crate) use table::{Last, stderr_width, table, terminal_width};
pub(crate) use wrap::{filled, labelled, sentence, wrapped};

/// Prints text, and ends it with a line break.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match write(text) {
        // Whoever reads has seen enough: `crossfade history m | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(unwritable(&error)),
        Ok(()) => Ok(()),
    }
}

/// As [`print()`], for those who have to know whether somebody reads.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    write!(stdout, "{text}{end}")?;
    stdout.flush()
}

/// Standard output is full, or was closed by force.
pub(crate) fn unwritable(error: &io::Error) -> Failure {
    Failure::new(Code::OutputFile, "standard output cannot be written").because(Some(error))
}
