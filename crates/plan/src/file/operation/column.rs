//! Operations on one column: add, change type, rename, drop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file::{SqlName, SqlText};

/// Adds a column. With `up`, existing rows and every write of the old applications are filled
/// from the source's columns; without it, rows that say nothing take `default`, or NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddColumn {
    /// The new column.
    pub name: SqlName,
    /// Its type, as SQL writes it.
    #[serde(rename = "type")]
    pub data_type: SqlText,
    /// The column's DEFAULT: an SQL expression.
    #[serde(default)]
    pub default: Option<SqlText>,
    /// The value for a row that the old side wrote: an SQL expression over the source's columns.
    #[serde(default)]
    pub up: Option<SqlText>,
    /// An SQL expression over the target's columns. The source has no such column, so that nothing
    /// is written back: it is checked, and documents what the column holds.
    #[serde(default)]
    pub down: Option<SqlText>,
    /// Whether the column refuses NULL.
    #[serde(default)]
    pub not_null: bool,
}

/// Changes the type of a column, under the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeType {
    /// The column.
    pub column: SqlName,
    /// The new type, as SQL writes it.
    #[serde(rename = "type")]
    pub data_type: SqlText,
    /// The new value from the source's columns; without it, a cast to the new type.
    pub up: Option<SqlText>,
    /// The old value from the target's columns; without it, a cast to the old type.
    pub down: Option<SqlText>,
}

/// Changes the type of a column, under the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ChangeType")]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenChangeType {
    /// The column.
    pub(crate) column: SqlName,
    /// The new type, as SQL writes it.
    #[serde(rename = "type")]
    pub(crate) data_type: SqlText,
    /// The new value: an SQL expression over the source's columns. Without it, a cast to the new
    /// type.
    #[serde(default)]
    pub(crate) up: Option<SqlText>,
    /// The old value, for the way back: an SQL expression over the target's columns. Without it, a
    /// cast to the old type.
    #[serde(default)]
    pub(crate) down: Option<SqlText>,
    /// Whether the columns of other tables that reference this one migrate too. Not supported yet.
    #[serde(default)]
    pub(crate) with_children: bool,
}

impl From<WrittenChangeType> for ChangeType {
    fn from(written: WrittenChangeType) -> Self {
        let WrittenChangeType {
            column,
            data_type,
            up,
            down,
            with_children: _,
        } = written;
        Self {
            column,
            data_type,
            up,
            down,
        }
    }
}

/// Gives a column another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameColumn {
    /// The column as it is named now.
    pub column: SqlName,
    /// Its new name.
    pub to: SqlName,
}

/// Drops a column. The old side keeps it until `contract`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropColumn {
    /// The column.
    pub column: SqlName,
    /// Its value for rows that the new side writes, so that the way back stays open: an SQL
    /// expression over the target's columns.
    #[serde(default)]
    pub down: Option<SqlText>,
}
