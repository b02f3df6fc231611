//! Columns.

use crossfade_plan::mapping::Operator;
use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

use super::{Grant, Options};

/// One column that is not dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags of the catalog"
)]
pub struct Column {
    /// Its number; dropped columns leave holes.
    pub attnum: i16,
    /// Its name.
    pub name: Ident,
    /// The type with its modifier, as `format_type` prints it: `character varying(20)`,
    /// `shop.money_amount`, `integer[]`.
    pub sql_type: String,
    /// The type's OID; it is another one for the same type in another database.
    pub type_oid: u32,
    /// The type's own name in the catalogs (`pg_catalog._int4` for `integer[]`).
    pub type_name: QualifiedName,
    /// What kind of type.
    pub type_kind: TypeKind,
    /// What is below, for a domain.
    pub domain: Option<Domain>,
    /// `=` of the type's default btree operator class, by which values are compared and sorted.
    /// `None` for types without one (json, point), and arrays, domains or rows of such.
    pub equality: Option<Operator>,
    /// Whether the column is NOT NULL; a NOT NULL of its domain does not count.
    pub not_null: bool,
    /// The default, as an expression; `None` for generated columns too.
    pub default: Option<String>,
    /// The expression of a generated column.
    pub generated: Option<Generated>,
    /// Whether the column is an identity column.
    pub identity: Option<Identity>,
    /// The collation, where it is not the type's own.
    pub collation: Option<QualifiedName>,
    /// Whether strings that compare equal are the same bytes. True for types without collation.
    pub deterministic: bool,
    /// Where long values go.
    pub storage: Storage,
    /// How long values are compressed, where the column says so.
    pub compression: Option<Compression>,
    /// How much ANALYZE collects, where the column says so.
    pub statistics_target: Option<i32>,
    /// `n_distinct` and the like.
    pub options: Options,
    /// The comment.
    pub comment: Option<String>,
    /// Rights on this column alone.
    pub grants: Vec<Grant>,
    /// Whether the column was defined here; false for one that only parents have.
    pub local: bool,
    /// Whether a parent has it as well.
    pub inherited: bool,
}

/// The kind of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeKind {
    /// A base type.
    Base,
    /// A true array (not `int2vector` or `name`, which only have subscripts).
    Array,
    /// A composite type, or the row type of a table.
    Composite,
    /// A domain.
    Domain,
    /// An enum.
    Enum,
    /// A range.
    Range,
    /// A multirange.
    Multirange,
    /// A pseudo-type; never the type of a column.
    Pseudo,
}

/// What is below a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The type below all domains, with the modifier that the domain gives it.
    pub base_type: String,
    /// That type's OID.
    pub type_oid: u32,
    /// Whether the domain, or one below it, has a CHECK or is NOT NULL.
    pub constrained: bool,
}

/// A generated column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// When the value is made.
    pub kind: GeneratedKind,
    /// The expression.
    pub expression: String,
}

/// When the value of a generated column is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneratedKind {
    /// When the row is written.
    Stored,
    /// When the row is read (PostgreSQL 18).
    Virtual,
}

/// Which values an identity column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Only generated ones, unless the statement overrides.
    Always,
    /// A generated one where none is given.
    ByDefault,
}

/// Where long values of a column go. `Display` prints the keyword of SET STORAGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// In the row, as they are.
    Plain,
    /// Out of line, uncompressed.
    External,
    /// Compressed, then out of line.
    Extended,
    /// Compressed, out of line only when nothing else helps.
    Main,
}

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::External => "external",
            Self::Extended => "extended",
            Self::Main => "main",
        })
    }
}

/// How long values are compressed. `Display` prints the keyword of SET COMPRESSION.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// PostgreSQL's own.
    Pglz,
    /// LZ4.
    Lz4,
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pglz => "pglz",
            Self::Lz4 => "lz4",
        })
    }
}
