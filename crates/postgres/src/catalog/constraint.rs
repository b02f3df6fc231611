//! Constraints, and the foreign keys that point to the table.

use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

/// One constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags of the catalog"
)]
pub struct Constraint {
    /// Its name.
    pub name: Ident,
    /// What it demands.
    pub kind: ConstraintKind,
    /// What ADD CONSTRAINT takes after the name, with the names qualified.
    pub definition: String,
    /// Its columns, in the constraint's order.
    pub columns: Vec<Ident>,
    /// The condition of a CHECK.
    pub expression: Option<String>,
    /// Whether the rows that were there have been checked.
    pub validated: bool,
    /// Whether it is enforced at all (PostgreSQL 18 can switch it off).
    pub enforced: bool,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub initially_deferred: bool,
    /// NO INHERIT.
    pub no_inherit: bool,
    /// Whether it comes from a parent.
    pub inherited: bool,
    /// The index that backs it (primary key, unique, exclusion).
    pub index: Option<Ident>,
    /// The other half of a foreign key.
    pub foreign_key: Option<ForeignKey>,
    /// The comment.
    pub comment: Option<String>,
}

/// What a constraint demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// PRIMARY KEY.
    PrimaryKey,
    /// UNIQUE.
    Unique,
    /// CHECK.
    Check,
    /// FOREIGN KEY.
    ForeignKey,
    /// EXCLUDE.
    Exclusion,
    /// NOT NULL with a name (PostgreSQL 18).
    NotNull,
    /// A constraint trigger; it is among the triggers too.
    Trigger,
}

/// The other half of a foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// The table that it points to; for a self-reference the table itself.
    pub references: QualifiedName,
    /// The columns there, in the order of the constraint's columns.
    pub referenced_columns: Vec<Ident>,
    /// The index there that proves uniqueness.
    pub referenced_index: Option<Ident>,
    /// ON UPDATE.
    pub on_update: ReferentialAction,
    /// ON DELETE.
    pub on_delete: ReferentialAction,
    /// The columns that ON DELETE SET NULL or SET DEFAULT sets; empty for all (PostgreSQL 15).
    pub delete_sets: Vec<Ident>,
    /// MATCH.
    pub matching: Match,
}

/// What a foreign key does when the referenced row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    /// An error at the end of the statement, or later when deferred.
    NoAction,
    /// An error at once.
    Restrict,
    /// The referencing row follows.
    Cascade,
    /// The referencing columns become NULL.
    SetNull,
    /// The referencing columns get their defaults.
    SetDefault,
}

/// How NULLs in a foreign key are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// One NULL is enough to be exempt.
    Simple,
    /// All NULL or none.
    Full,
    /// Not implemented by any version, but the catalog has a letter for it.
    Partial,
}

/// A foreign key of another table that points here. Self-references are only among
/// [`Table::constraints`](super::Table::constraints).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundForeignKey {
    /// The referencing table's OID.
    pub oid: u32,
    /// The referencing table.
    pub table: QualifiedName,
    /// The referencing table's owner.
    pub owner: Ident,
    /// The constraint there.
    pub constraint: Constraint,
}
