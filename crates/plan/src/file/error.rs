//! What is wrong with a plan file, and where.

use std::{fmt, ops::Range};

use super::position::Position;

/// The sort of a [`PlanFileError`], for exit codes and stable error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlanFileErrorKind {
    /// The text is no YAML, or not one document within the limits.
    Syntax,
    /// An unknown or missing key, or a value of another form.
    Format,
    /// Well formed, but out of range, doubled, or at odds with another part of the file.
    Invalid,
    /// A key or operation of a later version.
    NotSupportedYet,
}

/// One thing that is wrong with a plan file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct PlanFileError {
    pub(super) kind: PlanFileErrorKind,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) position: Position,
    pub(super) related: Option<(Position, String)>,
}

impl PlanFileError {
    /// The sort of the error.
    pub fn kind(&self) -> PlanFileErrorKind {
        self.kind
    }

    /// What is wrong, without the position.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Line, counted from 1.
    pub fn line(&self) -> usize {
        self.position.line
    }

    /// Column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.position.column
    }

    /// The bytes of the text that the error is about.
    pub fn span(&self) -> Range<usize> {
        self.position.span()
    }

    /// A second place that belongs to the error, and what is there.
    pub fn related(&self) -> Option<(Position, &str)> {
        self.related
            .as_ref()
            .map(|(position, label)| (*position, label.as_str()))
    }
}

/// Everything that was found wrong with a plan file, in the order of the file; at least one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFileErrors {
    /// Boxed, so that a `Result` with it stays small.
    first: Box<PlanFileError>,
    rest: Vec<PlanFileError>,
}

impl PlanFileErrors {
    /// Puts errors into the order of the file; no errors are no `PlanFileErrors`.
    pub(super) fn sorted(mut errors: Vec<PlanFileError>) -> Option<Self> {
        errors.sort_by_key(|error| (error.position.line, error.position.column));
        let mut errors = errors.into_iter();
        errors.next().map(|first| Self {
            first: Box::new(first),
            rest: errors.collect(),
        })
    }

    /// The first error of the file.
    pub fn first(&self) -> &PlanFileError {
        &self.first
    }

    /// All errors, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &PlanFileError> {
        std::iter::once(&*self.first).chain(&self.rest)
    }
}

impl From<Box<PlanFileError>> for PlanFileErrors {
    fn from(first: Box<PlanFileError>) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }
}

impl fmt::Display for PlanFileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.first, f)?;
        match self.rest.len() {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more error)"),
            more => write!(f, " (and {more} more errors)"),
        }
    }
}

impl std::error::Error for PlanFileErrors {}
