//! Values of the mirror that were there before the written side: kept for as long as they are what
//! the written row was made of.
//!
//! After the cutover the mirror is the old side. The way back need not give an old value exactly
//! (`down` of a split name, a cast that rounds); written on each write of the row, it would replace
//! values that nobody has touched, and a rollback would bring those. So such a column is written
//! only where the row's new columns are no longer the image of what the mirror has: where both the
//! columns made of it and those that the way back reads are as the mirror's row gives them.

use std::collections::BTreeSet;

use crossfade_plan::Ident;
use crossfade_plan::mapping::{Image, Mapping, Rewrite, Totality, Volatility};

use crate::sql;

/// Columns of the mirror that are kept, or written, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The mirror's columns.
    pub columns: BTreeSet<Ident>,
    /// The written side's columns that must be the images of the mirror's row. Empty where neither
    /// side's value follows from the other's: then the mirror's is always kept.
    pub confirmed_by: BTreeSet<Ident>,
}

/// What a mirror with values of its own keeps. `mapping.source` is the written side.
///
/// Columns that share a confirming column go together: one kept and one written might fit neither
/// the old row nor the new one. A column is never kept where what confirms it can't be computed
/// from the mirror's row, nor where it is of the key: a row that moves there would always confirm.
pub fn kept(mapping: &Mapping) -> Vec<Kept> {
    let in_key = |image: &Image| mapping.key.iter().any(|key| key.target == image.column);
    let mut groups: Vec<Kept> = Vec::new();
    for image in &mapping.forward {
        if in_key(image) || image.rewrite == Rewrite::Never || image.undoes(&mapping.reverse) {
            continue;
        }
        let made_of_it = mapping
            .reverse
            .iter()
            .filter(|made| made.reads.contains(&image.column))
            .map(|made| made.column.clone());
        let mut group = Kept {
            columns: BTreeSet::from([image.column.clone()]),
            confirmed_by: made_of_it.chain(image.reads.iter().cloned()).collect(),
        };
        groups.retain(|other| {
            let apart = other.confirmed_by.is_disjoint(&group.confirmed_by);
            if !apart {
                group.columns.extend(other.columns.iter().cloned());
                group
                    .confirmed_by
                    .extend(other.confirmed_by.iter().cloned());
            }
            apart
        });
        groups.push(group);
    }
    groups.retain(|group| {
        group.confirmed_by.iter().all(|column| {
            let of_the_key = mapping.key.iter().any(|key| key.source == *column);
            let stable =
                image_of(mapping, column).is_some_and(|made| made.volatility == Volatility::Stable);
            stable && !of_the_key
        })
    });
    groups
}

/// The written side's column as it follows from the mirror's row.
fn image_of<'a>(mapping: &'a Mapping, column: &Ident) -> Option<&'a Image> {
    mapping.reverse.iter().find(|made| made.column == *column)
}

/// The parts of an upsert that keeps.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// Goes behind the written side in FROM: the mirror's row of the same key, if there is one.
    pub(crate) join: String,
    /// The values, in the order of `mapping.forward`.
    pub(crate) values: String,
    /// Whether computing what confirms can fail, which is no reason to refuse the row.
    pub(crate) can_fail: bool,
}

/// The parts of an upsert; none, if there is nothing to keep.
///
/// The mirror's row goes by the same alias as the written one, each in its own scope: so that the
/// expressions of either direction mean the row that they were written for.
pub(crate) fn keeping(mapping: &Mapping) -> Option<Keeping> {
    let groups = kept(mapping);
    if groups.is_empty() {
        return None;
    }
    let source = sql::SOURCE_ALIAS;
    let mut of_the_mirror = vec![format!("true as {FOUND}")];
    let mut values = Vec::new();
    for (at, image) in mapping.forward.iter().enumerate() {
        let written = sql::assigned(image, source);
        let group = groups
            .iter()
            .find(|group| group.columns.contains(&image.column));
        values.push(match group {
            None => written,
            Some(group) => {
                of_the_mirror.push(format!("{source}.{} as {}", image.column, value(at)));
                format!(
                    "case when {} then {KEPT}.{}::{base} else {written}::{base} end",
                    confirmed(mapping, group),
                    value(at),
                    base = image.base_type
                )
            }
        });
    }
    let mut can_fail = false;
    for (at, made) in confirming(mapping, &groups) {
        let stored = sql::stored(made, source);
        of_the_mirror.push(format!("{stored} as {}", image(at)));
        can_fail |= made.totality == Totality::Partial;
    }
    Some(Keeping {
        join: format!(
            "{} left join lateral (select {} from {} where {}) as {KEPT} on true",
            sql::key_values(mapping),
            sql::list(of_the_mirror),
            sql::only(&mapping.target, source),
            sql::key_is_of_values(mapping, source),
        ),
        values: sql::list(values),
        can_fail,
    })
}

/// The images that are computed from the mirror's row.
pub(crate) fn computed(mapping: &Mapping) -> Vec<&Image> {
    confirming(mapping, &kept(mapping))
        .map(|(_, made)| made)
        .collect()
}

/// Whether the written row's columns are the images of the mirror's row. By image, not by
/// equality, as everywhere: NULL is like NULL, and `1.0` is not `1.00`.
fn confirmed(mapping: &Mapping, group: &Kept) -> String {
    let found = format!("{KEPT}.{FOUND}");
    let (images, written): (Vec<_>, Vec<_>) = confirming(mapping, std::slice::from_ref(group))
        .map(|(at, made)| {
            (
                format!("{KEPT}.{}", image(at)),
                format!("{}.{}", sql::SOURCE_ALIAS, made.column),
            )
        })
        .unzip();
    if images.is_empty() {
        return found;
    }
    format!(
        "{found} and pg_catalog.record_image_eq(row({}), row({}))",
        sql::list(images),
        sql::list(written)
    )
}

/// The written side's columns that confirm these groups, as they follow from the mirror's row, and
/// their places in `mapping.reverse`.
fn confirming<'a>(
    mapping: &'a Mapping,
    groups: &[Kept],
) -> impl Iterator<Item = (usize, &'a Image)> {
    let of_a_group = |made: &Image| {
        groups
            .iter()
            .any(|group| group.confirmed_by.contains(&made.column))
    };
    mapping
        .reverse
        .iter()
        .enumerate()
        .filter(move |(_, made)| of_a_group(made))
}

/// Alias of the mirror's row.
const KEPT: &str = "kept";
const FOUND: &str = "\"crossfade found\"";

// By number: a name of 63 bytes leaves no room for more.
fn value(at: usize) -> String {
    format!("\"crossfade value {at}\"")
}

fn image(at: usize) -> String {
    format!("\"crossfade image {at}\"")
}
