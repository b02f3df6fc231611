//! Values of the mirror that were there before the written side: kept for as long as nobody has
//! written what they were made into.
//!
//! After the cutover the mirror is the old side. The way back need not give an old value exactly
//! (`down` of a split name, a cast that rounds); written on each write of the row, it would replace
//! values that nobody has touched, and a rollback would bring those. So such a column is written
//! only by a write that changes a column that was made of it, or that its way back reads.
//!
//! What a write changes is told by its own OLD and NEW, not by what the mirror holds: a value that
//! the way back has made is no original, and the image of an old row changes with each of its other
//! columns.

use std::collections::BTreeSet;

use crossfade_plan::Ident;
use crossfade_plan::mapping::{Mapping, Rewrite};

use crate::sql;

/// Columns of the mirror that are kept, or written, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The mirror's columns.
    pub columns: BTreeSet<Ident>,
    /// The written side's columns that must stay as they are for these to be kept. Empty where
    /// neither side's value follows from the other's: then the mirror's is always kept.
    pub stands_for: BTreeSet<Ident>,
}

/// What a mirror with values of its own keeps. `mapping.source` is the written side.
///
/// Columns that share a written column go together: one kept and one written might fit neither the
/// old row nor the new one.
pub fn kept(mapping: &Mapping) -> Vec<Kept> {
    let mut groups: Vec<Kept> = Vec::new();
    for image in &mapping.forward {
        if mapping.is_key(&image.column)
            || image.rewrite == Rewrite::Never
            || image.undoes(&mapping.reverse)
        {
            continue;
        }
        let made_of_it = mapping
            .reverse
            .iter()
            .filter(|made| made.reads.contains(&image.column))
            .map(|made| made.column.clone());
        let mut group = Kept {
            columns: BTreeSet::from([image.column.clone()]),
            stands_for: made_of_it.chain(image.reads.iter().cloned()).collect(),
        };
        groups.retain(|other| {
            let apart = other.stands_for.is_disjoint(&group.stands_for);
            if !apart {
                group.columns.extend(other.columns.iter().cloned());
                group.stands_for.extend(other.stands_for.iter().cloned());
            }
            apart
        });
        groups.push(group);
    }
    groups
}

/// The `set` list of the upsert that keeps: a group's columns stay as they are where an UPDATE left
/// alone what stands for them. `untouched` says so of columns of the written side.
pub(crate) fn sets(
    mapping: &Mapping,
    untouched: impl Fn(&BTreeSet<Ident>) -> String,
) -> Vec<String> {
    let groups = kept(mapping);
    // Not by `tg_op`, which a column may be called, and here columns are in scope.
    let key = mapping.key.iter().take(1).map(|key| &key.source);
    let is_update = sql::all(key.map(|key| format!("old.{key} is distinct from null")));
    let conditions: Vec<String> = groups
        .iter()
        .map(|group| {
            if group.stands_for.is_empty() {
                is_update.clone()
            } else {
                format!("{is_update} and {}", untouched(&group.stands_for))
            }
        })
        .collect();
    sql::rewritten(mapping)
        .map(|image| {
            let column = &image.column;
            let group = groups
                .iter()
                .position(|group| group.columns.contains(column));
            match group {
                None => format!("{column} = excluded.{column}"),
                Some(at) => format!(
                    "{column} = case when {} then {}.{column} else excluded.{column} end",
                    conditions[at],
                    sql::TARGET_ALIAS,
                ),
            }
        })
        .collect()
}
