//! Indexes.

use crossfade_plan::mapping::Operator;
use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

use super::{ConstraintKind, Options};

/// One index; its schema is the table's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags of the catalog"
)]
pub struct Index {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The CREATE INDEX statement, with the names qualified.
    pub definition: String,
    /// The access method: `btree`, `gin`.
    pub method: Ident,
    /// Whether it is unique.
    pub unique: bool,
    /// Whether it is the primary key's.
    pub primary: bool,
    /// Whether it backs an exclusion constraint.
    pub exclusion: bool,
    /// Whether uniqueness is checked at once; false for DEFERRABLE constraints.
    pub immediate: bool,
    /// Whether queries may use it. False during, and after a failed, concurrent build.
    pub valid: bool,
    /// Whether writes go into it.
    pub ready: bool,
    /// Whether two NULLs count as the same value (PostgreSQL 15).
    pub nulls_not_distinct: bool,
    /// Whether CLUSTER remembers it.
    pub clustered: bool,
    /// Whether it is the replica identity.
    pub replica_identity: bool,
    /// The key, in order.
    pub key: Vec<IndexKey>,
    /// INCLUDE columns.
    pub include: Vec<Ident>,
    /// The condition of a partial index.
    pub predicate: Option<String>,
    /// Every column that it reads, in the order of the table: key, INCLUDE, expressions and
    /// predicate. A whole-row reference names no column.
    pub columns: Vec<Ident>,
    /// Storage parameters.
    pub options: Options,
    /// The tablespace, where it is not the database's.
    pub tablespace: Option<Ident>,
    /// The constraint that it backs.
    pub constraint: Option<IndexConstraint>,
    /// The comment.
    pub comment: Option<String>,
    /// The index of the partitioned table that it is a part of.
    pub parent: Option<QualifiedName>,
}

/// One part of an index's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags of the catalog"
)]
pub struct IndexKey {
    /// What is indexed.
    pub value: KeyValue,
    /// The operator class.
    pub opclass: QualifiedName,
    /// Whether that is the type's default for the method.
    pub opclass_default: bool,
    /// Parameters of the operator class.
    pub opclass_options: Options,
    /// The collation, for types that have one.
    pub collation: Option<QualifiedName>,
    /// Whether strings that compare equal are the same bytes. True for types without collation.
    pub deterministic: bool,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
    /// `=` of the operator class; `None` where the method has none (gin, gist, brin).
    pub equality: Option<Operator>,
    /// How much ANALYZE collects on an expression, where the index says so.
    pub statistics_target: Option<i32>,
}

/// What a part of a key is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyValue {
    /// A column.
    Column(Ident),
    /// An expression, in the form that an index definition needs (parentheses included).
    Expression(String),
}

/// The constraint that an index backs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexConstraint {
    /// Its name.
    pub name: Ident,
    /// Primary key, unique or exclusion.
    pub kind: ConstraintKind,
}

impl Index {
    /// The key's columns, where it is made of columns only.
    pub fn key_columns(&self) -> Option<Vec<&Ident>> {
        self.key
            .iter()
            .map(|part| match &part.value {
                KeyValue::Column(name) => Some(name),
                KeyValue::Expression(_) => None,
            })
            .collect()
    }
}
