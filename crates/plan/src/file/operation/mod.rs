//! What a migration does to its table: one variant an operation, tagged by its name.

mod column;
mod constraint;
mod index;
mod later;
mod reshape;

use serde::Serialize;

pub use column::{AddColumn, ChangeType, DropColumn, RenameColumn};
pub use constraint::{AddCheck, AddUnique, SetNotNull};
pub use index::{AddIndex, IndexColumn, IndexExpression, NullsOrder, SortOrder};
pub(super) use later::WrittenOperation;
pub use reshape::{MergeColumns, MergedColumn, SplitColumn, SplitPart};

use super::SqlName;

/// One operation of a plan file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A new column.
    AddColumn(AddColumn),
    /// Another type for a column.
    ChangeType(ChangeType),
    /// Another name for a column.
    RenameColumn(RenameColumn),
    /// A column less.
    DropColumn(DropColumn),
    /// Several columns for one.
    SplitColumn(SplitColumn),
    /// One column for several.
    MergeColumns(MergeColumns),
    /// No NULL in a column.
    SetNotNull(SetNotNull),
    /// A CHECK constraint.
    AddCheck(AddCheck),
    /// An index.
    AddIndex(AddIndex),
    /// A UNIQUE constraint.
    AddUnique(AddUnique),
}

impl Operation {
    /// The operation's name in a plan file.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::AddColumn(_) => "add_column",
            Self::ChangeType(_) => "change_type",
            Self::RenameColumn(_) => "rename_column",
            Self::DropColumn(_) => "drop_column",
            Self::SplitColumn(_) => "split_column",
            Self::MergeColumns(_) => "merge_columns",
            Self::SetNotNull(_) => "set_not_null",
            Self::AddCheck(_) => "add_check",
            Self::AddIndex(_) => "add_index",
            Self::AddUnique(_) => "add_unique",
        }
    }

    /// The source's columns that the operation takes away or writes anew, each with the keys that
    /// lead to it from the operation.
    pub(super) fn source_columns(&self) -> Vec<(&SqlName, Keys)> {
        match self {
            Self::ChangeType(op) => vec![(&op.column, Keys::of("column"))],
            Self::RenameColumn(op) => vec![(&op.column, Keys::of("column"))],
            Self::DropColumn(op) => vec![(&op.column, Keys::of("column"))],
            Self::SplitColumn(op) => vec![(&op.column, Keys::of("column"))],
            Self::SetNotNull(op) => vec![(&op.column, Keys::of("column"))],
            Self::MergeColumns(op) => (op.columns.iter().enumerate())
                .map(|(index, column)| (column, Keys::item("columns", index)))
                .collect(),
            Self::AddColumn(_) | Self::AddCheck(_) | Self::AddIndex(_) | Self::AddUnique(_) => {
                Vec::new()
            }
        }
    }

    /// The target's columns that the operation writes.
    pub(super) fn target_columns(&self) -> Vec<(&SqlName, Keys)> {
        match self {
            Self::AddColumn(op) => vec![(&op.name, Keys::of("name"))],
            Self::ChangeType(op) => vec![(&op.column, Keys::of("column"))],
            Self::RenameColumn(op) => vec![(&op.to, Keys::of("to"))],
            Self::SetNotNull(op) => vec![(&op.column, Keys::of("column"))],
            Self::SplitColumn(op) => (op.into.iter().enumerate())
                .map(|(index, part)| (&part.name, Keys::item("into", index).then("name")))
                .collect(),
            Self::MergeColumns(op) => vec![(&op.into.name, Keys::of("into").then("name"))],
            Self::DropColumn(_) | Self::AddCheck(_) | Self::AddIndex(_) | Self::AddUnique(_) => {
                Vec::new()
            }
        }
    }

    /// The index or constraint that the operation names.
    pub(super) fn object_name(&self) -> Option<&SqlName> {
        match self {
            Self::AddCheck(op) => Some(&op.name),
            Self::AddIndex(op) => Some(&op.name),
            Self::AddUnique(op) => op.name.as_ref(),
            _ => None,
        }
    }
}

/// Where a value stands within its operation: a key, perhaps an item of its list, perhaps a key
/// of that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) key: &'static str,
    pub(super) item: Option<usize>,
    pub(super) inner: Option<&'static str>,
}

impl Keys {
    const fn of(key: &'static str) -> Self {
        Self {
            key,
            item: None,
            inner: None,
        }
    }

    const fn item(key: &'static str, index: usize) -> Self {
        Self {
            key,
            item: Some(index),
            inner: None,
        }
    }

    const fn then(self, inner: &'static str) -> Self {
        Self {
            inner: Some(inner),
            ..self
        }
    }
}
