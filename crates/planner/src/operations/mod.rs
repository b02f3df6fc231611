//! What each operation does to the target: one file an operation, with its checks against the
//! catalog.
//!
//! Operations on columns come first, whatever their order in the file: `up` sees the source as it
//! is, and what names the target (indexes, constraints) sees all of it.

mod add_check;
mod add_column;
mod add_index;
mod add_unique;
mod change_type;
mod drop_column;
mod merge_columns;
mod rename_column;
mod set_not_null;
mod split_column;

use crossfade_plan::file::{Operation, PlanFile, PlanPath};
use crossfade_postgres::catalog::Table;

use crate::facts::TypeAnswers;
use crate::target::TargetTable;

/// Where the keys of one operation stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    file: &'a PlanFile,
    index: usize,
}

impl Place<'_> {
    /// The path of one key.
    pub(crate) fn key(&self, key: &str) -> PlanPath {
        self.file.operation_path(self.index, key)
    }
}

/// The target that the operations of a plan file make of a table.
pub(crate) fn target<'a>(
    file: &PlanFile,
    source: &'a Table,
    types: &'a TypeAnswers,
) -> TargetTable<'a> {
    let mut target = TargetTable::unchanged(source, types);
    let places = || {
        file.operations
            .iter()
            .enumerate()
            .map(|(index, operation)| (Place { file, index }, operation))
    };
    for (at, operation) in places() {
        match operation {
            Operation::AddColumn(op) => add_column::apply(op, at, &mut target),
            Operation::ChangeType(op) => change_type::apply(op, at, &mut target),
            Operation::RenameColumn(op) => rename_column::apply(op, at, &mut target),
            Operation::DropColumn(op) => drop_column::apply(op, at, &mut target),
            Operation::SplitColumn(op) => split_column::apply(op, at, &mut target),
            Operation::MergeColumns(op) => merge_columns::apply(op, at, &mut target),
            Operation::SetNotNull(op) => set_not_null::apply(op, at, &mut target),
            Operation::AddCheck(_) | Operation::AddIndex(_) | Operation::AddUnique(_) => {}
        }
    }
    target.check_names();
    for (at, operation) in places() {
        match operation {
            Operation::AddCheck(op) => add_check::apply(op, at, &mut target),
            Operation::AddIndex(op) => add_index::apply(op, at, &mut target),
            Operation::AddUnique(op) => add_unique::apply(op, at, &mut target),
            _ => {}
        }
    }
    target
}
