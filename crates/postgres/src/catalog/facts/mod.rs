//! What the planner asks the server about types, casts and expressions: facts that are no part of
//! the table's catalog.

mod cast;
mod data_type;
mod denied;
mod expression;

use crossfade_plan::QualifiedName;
use crossfade_plan::mapping::{Operator, Volatility};
use serde::{Deserialize, Serialize};

pub use cast::cast;
pub use data_type::data_type;
pub use denied::denied;
pub use expression::{Input, expression};

use super::{Domain, TypeKind};

/// A type as a plan file names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataType {
    /// The type with its modifier, as `format_type` prints it: `varchar(20)` becomes
    /// `character varying(20)`.
    pub sql_type: String,
    /// Its OID.
    pub type_oid: u32,
    /// Its own name in the catalogs.
    pub type_name: QualifiedName,
    /// What kind of type.
    pub type_kind: TypeKind,
    /// What is below, for a domain.
    pub domain: Option<Domain>,
    /// `=` of its default btree operator class; see [`Column::equality`](super::Column::equality).
    pub equality: Option<Operator>,
}

/// What an expression evaluates to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    /// The type's OID.
    pub type_oid: u32,
    /// The type, as `format_type` prints it without a modifier.
    pub sql_type: String,
    /// Whether one of its functions is VOLATILE. Not seen inside a subquery that reads no column
    /// of the row: that one is evaluated once for a statement.
    pub volatility: Volatility,
}

/// Why the server does not take a type or an expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// The SQLSTATE.
    pub sqlstate: String,
    /// What is wrong.
    pub message: String,
    /// What the server proposes.
    pub hint: Option<String>,
    /// Where in the text, as characters counted from 1; `None` where the server points nowhere.
    pub position: Option<u32>,
}

/// How a value of one type becomes a value of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// Where the server applies it.
    pub context: CastContext,
    /// What it does.
    pub method: CastMethod,
    /// Whether its result depends on the values alone; of the functions behind it the worst.
    pub volatility: CastVolatility,
}

/// Where the server applies a cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CastContext {
    /// Wherever the other type is wanted.
    Implicit,
    /// When a value is stored in a column of the other type, too.
    Assignment,
    /// Only where it is written.
    Explicit,
}

/// What a cast does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CastMethod {
    /// Nothing: the bytes are the same.
    Binary,
    /// Calls a function.
    Function,
    /// Prints the value and reads the text.
    InOut,
}

/// Whether a cast's result depends on the values alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CastVolatility {
    /// On them alone.
    Immutable,
    /// On settings as well, such as the time zone.
    Stable,
    /// On anything.
    Volatile,
}
