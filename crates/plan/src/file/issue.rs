//! What the checks find, by path: the positions are looked up when the text is at hand.

use super::{
    error::{PlanFileError, PlanFileErrorKind},
    position::{PlanPath, Positions},
};

/// One thing that is wrong, at a path.
#[derive(Debug)]
pub(super) struct Issue {
    kind: PlanFileErrorKind,
    path: PlanPath,
    message: String,
    help: Option<String>,
    related: Option<(PlanPath, String)>,
}

impl Issue {
    /// A value that cannot be meant.
    pub(super) fn invalid(path: PlanPath, message: impl Into<String>) -> Self {
        Self {
            kind: PlanFileErrorKind::Invalid,
            path,
            message: message.into(),
            help: None,
            related: None,
        }
    }

    /// Adds what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a second place, and what is there.
    pub(super) fn related(mut self, path: PlanPath, label: impl Into<String>) -> Self {
        self.related = Some((path, label.into()));
        self
    }

    pub(super) fn locate(self, positions: &Positions) -> PlanFileError {
        PlanFileError {
            kind: self.kind,
            message: self.message,
            help: self.help,
            position: positions.find(&self.path),
            related: self
                .related
                .map(|(path, label)| (positions.find(&path), label)),
        }
    }
}

impl std::fmt::Display for Issue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Issues(Vec<Issue>);

impl Issues {
    pub(super) fn push(&mut self, issue: Issue) {
        self.0.push(issue);
    }

    /// Notes the use of a key or word of a later version.
    pub(super) fn not_supported(&mut self, path: PlanPath, what: &str) {
        self.0.push(Issue {
            kind: PlanFileErrorKind::NotSupportedYet,
            ..Issue::invalid(path, format!("{what} is not supported yet"))
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Issue> {
        self.0.into_iter()
    }
}
