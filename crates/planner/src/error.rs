//! What speaks against a plan file, once the catalog is known.

use std::fmt;

use crossfade_plan::file::PlanPath;

/// The sort of a [`PlanError`], for stable error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlanErrorKind {
    /// The table has no such column, or an operation needs one that another takes away.
    UnknownColumn,
    /// A column, index or constraint of that name is there already.
    NameTaken,
    /// The server has no such type, or a column can't have it.
    Type,
    /// The server refuses an expression.
    Expression,
    /// There is no cast between two types.
    Cast,
    /// The key is missing, or would not stay a key.
    Key,
    /// Something that hangs on the table can't be carried over.
    Dependent,
    /// The planner made a plan that its own checker refuses: a defect of the program.
    Unsound,
}

/// One thing that speaks against a plan file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PlanError {
    /// The sort.
    pub kind: PlanErrorKind,
    /// The place in the plan file.
    pub path: PlanPath,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl PlanError {
    pub(crate) fn new(kind: PlanErrorKind, path: PlanPath, message: impl Into<String>) -> Self {
        Self {
            kind,
            path,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Everything that speaks against a plan file, in the order of its operations; at least one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors {
    first: PlanError,
    rest: Vec<PlanError>,
}

impl PlanErrors {
    /// The first error.
    pub fn first(&self) -> &PlanError {
        &self.first
    }

    /// All errors.
    pub fn iter(&self) -> impl Iterator<Item = &PlanError> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// `Err` if there is an error.
    pub(crate) fn none(errors: Vec<PlanError>) -> Result<(), Self> {
        let mut errors = errors.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(Self {
                first,
                rest: errors.collect(),
            }),
        }
    }
}

impl From<PlanError> for PlanErrors {
    fn from(first: PlanError) -> Self {
        Self {
            first,
            rest: Vec::new(),
        }
    }
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.first, f)?;
        match self.rest.len() {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more error)"),
            more => write!(f, " (and {more} more errors)"),
        }
    }
}

impl std::error::Error for PlanErrors {}
