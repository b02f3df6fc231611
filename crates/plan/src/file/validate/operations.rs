//! What operations demand of themselves, and of each other.

use std::collections::BTreeMap;

use super::twice;
use crate::file::{
    AddUnique, MergeColumns, Operation, PlanFile, SqlName,
    issue::{Issue, Issues},
    operation::Keys,
    position::PlanPath,
};

pub(super) fn check(plan: &PlanFile, issues: &mut Issues) {
    if plan.operations.is_empty() {
        let issue = Issue::invalid(PlanPath::top("operations"), "there is no operation");
        issues.push(issue.help("a migration changes something: name one operation at least"));
    }
    for (index, operation) in plan.operations.iter().enumerate() {
        alone(plan, index, operation, issues);
    }
    one_writer(plan, issues);
    object_names(plan, issues);
}

/// Checks one operation on its own.
fn alone(plan: &PlanFile, index: usize, operation: &Operation, issues: &mut Issues) {
    let at = |key: &str| plan.operation_path(index, key);
    match operation {
        Operation::RenameColumn(op) if op.column == op.to => {
            issues.push(Issue::invalid(
                at("to"),
                format!("column `{}` has that name", op.to),
            ));
        }
        Operation::SplitColumn(op) => {
            if op.into.is_empty() {
                issues.push(Issue::invalid(
                    at("into"),
                    "a column is split into one at least",
                ));
            }
            let names = op.into.iter().map(|part| &part.name);
            twice(
                names,
                |item| at("into").item(item).key("name"),
                "column",
                issues,
            );
        }
        Operation::MergeColumns(op) => merge(op, at, issues),
        Operation::AddIndex(op) if op.columns.is_empty() => {
            issues.push(Issue::invalid(
                at("columns"),
                "an index has one column at least",
            ));
        }
        Operation::AddUnique(AddUnique { columns, .. }) => {
            if columns.is_empty() {
                let message = "a unique constraint has one column at least";
                issues.push(Issue::invalid(at("columns"), message));
            }
            twice(
                columns.iter(),
                |item| at("columns").item(item),
                "column",
                issues,
            );
        }
        _ => {}
    }
}

fn merge(op: &MergeColumns, at: impl Fn(&str) -> PlanPath, issues: &mut Issues) {
    if op.columns.len() < 2 {
        let issue = Issue::invalid(at("columns"), "two columns at least are merged");
        issues.push(issue.help("for one column there are rename_column and change_type"));
    }
    twice(
        op.columns.iter(),
        |item| at("columns").item(item),
        "column",
        issues,
    );
    for column in op.down.keys().filter(|column| !op.columns.contains(column)) {
        issues.push(
            Issue::invalid(
                at("down"),
                format!("column `{column}` is not among the merged ones"),
            )
            .related(at("columns"), "the merged columns"),
        );
    }
}

/// No column is written by two operations, on either side.
fn one_writer(plan: &PlanFile, issues: &mut Issues) {
    let mut claims = Claims {
        plan,
        sources: BTreeMap::new(),
        targets: BTreeMap::new(),
    };
    for (index, operation) in plan.operations.iter().enumerate() {
        // An operation that both reads a column away and writes one of that name conflicts once.
        let found = (operation.source_columns().into_iter())
            .find_map(|(column, keys)| claims.source(index, column, keys))
            .or_else(|| {
                (operation.target_columns().into_iter())
                    .find_map(|(column, keys)| claims.target(index, column, keys))
            });
        if let Some(issue) = found {
            issues.push(issue);
        }
    }
    for (index, operation) in plan.operations.iter().enumerate() {
        let Operation::DropColumn(op) = operation else {
            continue;
        };
        let replaced = claims.targets.get(&op.column).map(|(writer, keys)| {
            let message = format!("column `{}` is dropped and written anew", op.column);
            Issue::invalid(plan.operation_path(index, "column"), message)
                .related(claims.path(*writer, *keys), "written here")
                .help("change_type with up and down replaces what a column holds")
        });
        if let Some(issue) = replaced {
            issues.push(issue);
        }
    }
}

/// Which operation has which column.
struct Claims<'a> {
    plan: &'a PlanFile,
    sources: BTreeMap<&'a SqlName, (usize, Keys)>,
    targets: BTreeMap<&'a SqlName, (usize, Keys)>,
}

impl<'a> Claims<'a> {
    fn source(&mut self, index: usize, column: &'a SqlName, keys: Keys) -> Option<Issue> {
        if let Some(&first) = self.sources.get(column) {
            return self.conflict(index, keys, first, &format!("change column `{column}`"));
        }
        self.sources.insert(column, (index, keys));
        None
    }

    fn target(&mut self, index: usize, column: &'a SqlName, keys: Keys) -> Option<Issue> {
        if let Some(&first) = self.targets.get(column) {
            return self.conflict(index, keys, first, &format!("write column `{column}`"));
        }
        self.targets.insert(column, (index, keys));
        None
    }

    fn conflict(
        &self,
        index: usize,
        keys: Keys,
        (first, first_keys): (usize, Keys),
        what: &str,
    ) -> Option<Issue> {
        let (one, other) = (&self.plan.operations[first], &self.plan.operations[index]);
        // Within one operation its own check reports it.
        if first == index || belong_together(one, other) {
            return None;
        }
        let message = match (one.tag(), other.tag()) {
            (tag, same) if tag == same => format!("two {tag} {what}"),
            (tag, other) => format!("{tag} and {other} both {what}"),
        };
        let issue = Issue::invalid(self.path(index, keys), message)
            .related(self.path(first, first_keys), "first here");
        Some(match (one, other) {
            (Operation::SetNotNull(_), Operation::ChangeType(_))
            | (Operation::ChangeType(_), Operation::SetNotNull(_)) => {
                issue.help("put the value for NULL into the up of change_type")
            }
            (Operation::AddColumn(_), Operation::SetNotNull(_))
            | (Operation::SetNotNull(_), Operation::AddColumn(_)) => {
                issue.help("add_column has not_null: true")
            }
            _ => issue.help("a column of either side belongs to one operation"),
        })
    }

    fn path(&self, index: usize, keys: Keys) -> PlanPath {
        let path = self.plan.operation_path(index, keys.key);
        let path = keys.item.map_or(path.clone(), |item| path.item(item));
        keys.inner.map_or(path.clone(), |inner| path.key(inner))
    }
}

/// A new type and NOT NULL for one column: only the type change writes it.
fn belong_together(one: &Operation, other: &Operation) -> bool {
    match (one, other) {
        (Operation::ChangeType(_), Operation::SetNotNull(not_null))
        | (Operation::SetNotNull(not_null), Operation::ChangeType(_)) => not_null.up.is_none(),
        _ => false,
    }
}

/// Indexes and constraints are named once: a unique constraint is both.
fn object_names(plan: &PlanFile, issues: &mut Issues) {
    let mut seen = BTreeMap::new();
    for (index, operation) in plan.operations.iter().enumerate() {
        let Some(name) = operation.object_name() else {
            continue;
        };
        let path = plan.operation_path(index, "name");
        match seen.get(name) {
            Some(first) => issues.push(
                Issue::invalid(
                    path,
                    format!("two indexes or constraints are named `{name}`"),
                )
                .related(PlanPath::clone(first), "first here"),
            ),
            None => {
                seen.insert(name, path);
            }
        }
    }
}
