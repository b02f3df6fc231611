//! One error on its way to the user.

use std::error::Error;
use std::ops::Range;

use crossfade_plan::file::Position;

use super::Code;
use crate::exit::Exit;

/// Why a command failed. Holds no secret and no value of a row.
#[derive(Debug)]
pub(crate) struct Failure(Box<Details>);

// Boxed: every result of a command has room for it.
#[derive(Debug)]
struct Details {
    code: Code,
    message: String,
    causes: Vec<String>,
    next: Option<String>,
    place: Option<Place>,
}

/// Where in a text the error is.
#[derive(Debug)]
pub(crate) struct Place {
    /// The file, as the user named it.
    pub(crate) file: String,
    /// Its text, to show the lines around; `None` where lines could hold a secret.
    pub(crate) text: Option<String>,
    /// What is there; the first is the error itself. Never empty.
    pub(crate) labels: Vec<Label>,
}

/// One place of a text and what is there.
#[derive(Debug)]
pub(crate) struct Label {
    /// Line, counted from 1.
    pub(crate) line: usize,
    /// Column in characters, counted from 1.
    pub(crate) column: usize,
    /// Its bytes.
    pub(crate) span: Range<usize>,
    /// What is there; empty where the message says it.
    pub(crate) text: String,
}

impl Label {
    pub(crate) fn new(position: Position, text: impl Into<String>) -> Self {
        Self {
            line: position.line,
            column: position.column,
            span: position.span(),
            text: text.into(),
        }
    }
}

impl Failure {
    /// A failure with what happened, in words.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            code,
            message: message.into(),
            causes: Vec::new(),
            next: None,
            place: None,
        }))
    }

    /// Says it by the error itself and what stands behind it.
    pub(crate) fn of(code: Code, error: &dyn Error) -> Self {
        Self::new(code, error.to_string()).because(error.source())
    }

    /// Adds what stands behind it.
    pub(crate) fn because(mut self, error: Option<&(dyn Error + 'static)>) -> Self {
        let chain =
            std::iter::successors(error, |error: &&(dyn Error + 'static)| (*error).source());
        self.0.causes.extend(chain.map(ToString::to_string));
        // Errors that only pass another one on repeat its text.
        self.0.causes.dedup();
        self
    }

    /// Adds a detail, in words.
    pub(crate) fn also(mut self, detail: impl Into<String>) -> Self {
        self.0.causes.push(detail.into());
        self
    }

    /// Says what to do next, better than the registry does.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.0.next = Some(next.into());
        self
    }

    /// Adds where it is.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// How the command ends.
    pub(crate) fn exit(&self) -> Exit {
        self.0.code.page().exit
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    pub(super) fn causes(&self) -> &[String] {
        &self.0.causes
    }

    pub(super) fn next_step(&self) -> &str {
        self.0.next.as_deref().unwrap_or(self.0.code.page().next)
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }
}
