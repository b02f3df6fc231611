//! Names that the planner makes: always short enough, and never two alike for two originals.

use crossfade_plan::{Ident, MigrationName};

/// The name of an index, constraint or sequence of the target before the swap.
pub fn temporary(name: &Ident) -> Ident {
    suffixed(name, "__new")
}

/// The name of the source's index, constraint or sequence after the swap.
pub fn retired(name: &Ident) -> Ident {
    suffixed(name, "__old")
}

/// The CHECK that proves that a column holds no NULL, so that SET NOT NULL scans nothing.
pub(crate) fn not_null_proof(migration: &MigrationName, column: &Ident) -> Ident {
    shortened(&format!(
        "crossfade_{migration}_not_null_{}",
        column.as_str()
    ))
}

/// What PostgreSQL calls the constraint that makes a column NOT NULL, unless it is too long.
pub(crate) fn not_null(table: &Ident, column: &Ident) -> Ident {
    shortened(&format!("{}_{}_not_null", table.as_str(), column.as_str()))
}

/// A name that stands in the source.
///
/// # Panics
/// When the constant is no name.
pub(crate) fn constant(name: &'static str) -> Ident {
    Ident::new(name).expect("a constant that is a name")
}

fn suffixed(name: &Ident, suffix: &str) -> Ident {
    shortened(&format!("{}{suffix}", name.as_str()))
}

fn shortened(name: &str) -> Ident {
    // Made of a name, so neither empty nor with a zero byte; shortening takes care of the length.
    Ident::shortened(name).expect("made of a name")
}
