//! Standard error: where errors go, in the form that was asked for.

use std::io::{self, IsTerminal, Write};

use crate::arguments::{Color, Format};
use crate::error::{Failure, Look, as_json, as_text};
use crate::output::stderr_width;

/// How errors are shown.
#[derive(Debug)]
pub(crate) struct Stderr {
    format: Format,
    color: Color,
}

impl Stderr {
    /// Until the settings are read, only the command line can speak of colours.
    pub(crate) fn new(format: Format, color: Option<Color>) -> Self {
        Self {
            format,
            color: color.unwrap_or_default(),
        }
    }

    pub(crate) fn set_color(&mut self, color: Color) {
        self.color = color;
    }

    /// Whether colours are wanted and can be shown.
    pub(crate) fn is_colored(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stderr().is_terminal() && !is_set("NO_COLOR"),
        }
    }

    /// Shows the error that ends the command.
    pub(crate) fn report(&self, failure: &Failure) {
        let text = match self.format {
            Format::Json => format!("{}\n", as_json(failure)),
            Format::Text => as_text(
                failure,
                Look {
                    terminal: io::stderr().is_terminal(),
                    color: self.is_colored(),
                    width: usize::from(stderr_width()),
                },
            ),
        };
        // Where standard error is gone, the exit code still tells.
        drop(io::stderr().write_all(text.as_bytes()));
    }
}

/// By the convention of <https://no-color.org>: any value but an empty one.
fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}
