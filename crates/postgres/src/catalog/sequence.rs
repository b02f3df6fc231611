//! Sequences behind the table's columns.

use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

use super::{Acl, Persistence};

/// A sequence that a column of the table owns. Its current value is not part of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// The column that owns it.
    pub column: Ident,
    /// How the column uses it.
    pub usage: SequenceUse,
    /// Its owner.
    pub owner: Ident,
    /// Whether it survives a crash.
    pub persistence: Persistence,
    /// `smallint`, `integer` or `bigint`.
    pub data_type: String,
    /// First value.
    pub start: i64,
    /// Step; negative for a descending one.
    pub increment: i64,
    /// Lowest value.
    pub min: i64,
    /// Highest value.
    pub max: i64,
    /// Values that a connection takes at once.
    pub cache: i64,
    /// Whether it starts again after the last value.
    pub cycle: bool,
    /// Its rights.
    pub acl: Acl,
    /// The comment.
    pub comment: Option<String>,
}

/// How a column uses the sequence that it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SequenceUse {
    /// GENERATED ... AS IDENTITY.
    Identity,
    /// `serial`, or OWNED BY: by a default, if at all.
    Owned,
}

/// A sequence that a default of the table uses and no column of the table owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedSequence {
    /// Its name.
    pub name: QualifiedName,
    /// The columns whose defaults use it, in the order of the table.
    pub columns: Vec<Ident>,
}
