//! `add_unique`: a unique constraint, from an index that is built concurrently on the target.
//!
//! Without a name it gets the one that PostgreSQL would give: table, columns, `key`.

use crossfade_plan::Ident;
use crossfade_plan::file::{AddUnique, PlanPath};
use crossfade_plan::hazard::{HazardId, Severity};

use super::Place;
use crate::error::PlanErrorKind;
use crate::target::{AddedIndex, AddedKey, TargetTable};

pub(super) fn apply(op: &AddUnique, at: Place<'_>, target: &mut TargetTable<'_>) {
    let named = op.name.as_ref().map_or_else(
        || {
            let columns: Vec<&str> = op
                .columns
                .iter()
                .map(|column| column.ident().as_str())
                .collect();
            Ident::shortened(&format!(
                "{}_{}_key",
                target.source.name.name.as_str(),
                columns.join("_")
            ))
        },
        |name| Ok(name.ident().clone()),
    );
    let path = at.key(if op.name.is_some() { "name" } else { "columns" });
    let name = match named {
        Ok(name) => name,
        Err(error) => {
            return target.refuse(
                PlanErrorKind::NameTaken,
                path,
                format!("no name can be made for the constraint: {error}"),
                "give it a name",
            );
        }
    };
    free_name(&name, &path, target);
    for (item, column) in op.columns.iter().enumerate() {
        target.expect_column(column.ident(), &at.key("columns").item(item));
    }
    warn_stricter(format!("constraint {name}"), target);
    target.indexes.push(AddedIndex {
        name,
        // A constant that the rule of names accepts.
        method: crate::names::constant("btree"),
        unique: true,
        nulls_not_distinct: op.nulls_not_distinct,
        constraint: true,
        key: op
            .columns
            .iter()
            .map(|column| AddedKey::Column(column.ident().clone()))
            .collect(),
        include: Vec::new(),
        predicate: None,
        predicate_path: at.key("columns"),
    });
}

/// Refuses the name of an index or constraint that the table has now.
pub(super) fn free_name(name: &Ident, path: &PlanPath, target: &mut TargetTable<'_>) {
    let source = target.source;
    if source.index(name).is_some() || source.constraint(name).is_some() {
        target.refuse(
            PlanErrorKind::NameTaken,
            path.clone(),
            format!("{} has an index or constraint {name} already", source.name),
            "choose another name",
        );
    }
}

/// Says what a new unique index does to rows and writers.
pub(super) fn warn_stricter(subject: String, target: &mut TargetTable<'_>) {
    target.warn(
        HazardId::UniqueStricter,
        Severity::Warning,
        subject,
        "duplicates make its build fail and keep the cutover shut; from its build on, writers of equal values \
         wait for each other, and two that write the same two values in another order may get 40P01; after the \
         cutover a duplicate fails, and an upsert on another key may meet it",
        "find the duplicates before: group by its columns having count(*) > 1",
    );
}
