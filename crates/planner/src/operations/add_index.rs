//! `add_index`: an index that is built concurrently on the target after the backfill.

use crossfade_plan::QualifiedName;
use crossfade_plan::file::{AddIndex, IndexColumn};

use super::Place;
use super::add_unique::{free_name, warn_stricter};
use crate::error::PlanErrorKind;
use crate::target::{AddedIndex, AddedKey, TargetTable};

pub(super) fn apply(op: &AddIndex, at: Place<'_>, target: &mut TargetTable<'_>) {
    let name = op.name.ident();
    free_name(name, &at.key("name"), target);
    let mut key = Vec::new();
    for (item, column) in op.columns.iter().enumerate() {
        match column {
            IndexColumn::Column(column) => {
                target.expect_column(column.ident(), &at.key("columns").item(item));
                key.push(AddedKey::Column(column.ident().clone()));
            }
            IndexColumn::Expression(expression) => {
                for name in [&expression.opclass, &expression.collation]
                    .into_iter()
                    .flatten()
                {
                    if let Err(error) = QualifiedName::parse(name.as_str()) {
                        target.refuse(
                            PlanErrorKind::Expression,
                            at.key("columns").item(item),
                            format!("{name} is no name of an operator class or collation: {error}"),
                            "write NAME or SCHEMA.NAME, quoted where SQL quotes it",
                        );
                    }
                }
                key.push(AddedKey::Expression(
                    expression.clone(),
                    at.key("columns").item(item).key("expr"),
                ));
            }
        }
    }
    for (item, column) in op.include.iter().enumerate() {
        target.expect_column(column.ident(), &at.key("include").item(item));
    }
    if op.unique {
        warn_stricter(format!("index {name}"), target);
    }
    target.indexes.push(AddedIndex {
        name: name.clone(),
        method: op.method.ident().clone(),
        unique: op.unique,
        nulls_not_distinct: false,
        constraint: false,
        key,
        include: op
            .include
            .iter()
            .map(|column| column.ident().clone())
            .collect(),
        predicate: op.predicate.clone(),
        predicate_path: at.key("where"),
    });
}
