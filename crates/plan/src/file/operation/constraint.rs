//! Operations that add constraints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file::{SqlName, SqlText};

/// Makes a column refuse NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetNotNull {
    /// The column.
    pub column: SqlName,
    /// The value that takes the place of NULL: an SQL expression over the source's columns.
    /// Without it, a NULL in the data is an error.
    #[serde(default)]
    pub up: Option<SqlText>,
}

/// Adds a CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddCheck {
    /// The constraint.
    pub name: SqlName,
    /// The condition: an SQL expression over the target's columns.
    pub check: SqlText,
}

/// Adds a UNIQUE constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddUnique {
    /// The constraint and its index. Without it, a name made from table and columns.
    #[serde(default)]
    pub name: Option<SqlName>,
    /// The target's columns that are unique together.
    #[schemars(length(min = 1))]
    pub columns: Vec<SqlName>,
    /// Whether two NULLs are equal (PostgreSQL 15 and later).
    #[serde(default)]
    pub nulls_not_distinct: bool,
}
