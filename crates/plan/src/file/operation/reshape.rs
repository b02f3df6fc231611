//! Operations that turn one column into several, or several into one.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};

use crate::file::{SqlName, SqlText};

/// Replaces a column by several that are computed from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitColumn {
    /// The column to split.
    pub column: SqlName,
    /// The columns that replace it.
    #[schemars(length(min = 1))]
    pub into: Vec<SplitPart>,
    /// The old value, for the way back: an SQL expression over the target's columns.
    #[serde(default)]
    pub down: Option<SqlText>,
}

/// One of the columns that a column is split into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitPart {
    /// The new column.
    pub name: SqlName,
    /// Its type, as SQL writes it.
    #[serde(rename = "type")]
    pub data_type: SqlText,
    /// Its value: an SQL expression over the source's columns.
    pub up: SqlText,
}

/// Replaces several columns by one that is computed from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeColumns {
    /// The columns to merge, two or more.
    #[schemars(length(min = 2))]
    pub columns: Vec<SqlName>,
    /// The column that replaces them.
    pub into: MergedColumn,
    /// The old values, for the way back: for each merged column an SQL expression over the
    /// target's columns.
    #[serde(default, deserialize_with = "unique_names")]
    #[schemars(with = "BTreeMap<String, SqlText>")]
    pub down: BTreeMap<SqlName, SqlText>,
}

/// The column that several are merged into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergedColumn {
    /// The new column.
    pub name: SqlName,
    /// Its type, as SQL writes it.
    #[serde(rename = "type")]
    pub data_type: SqlText,
    /// Its value: an SQL expression over the source's columns.
    pub up: SqlText,
}

/// Reads a map by column. `Name` and `name` are two keys to YAML and one column to SQL: a plain
/// map would keep one expression and drop the other without a word.
fn unique_names<'de, D>(deserializer: D) -> Result<BTreeMap<SqlName, SqlText>, D::Error>
where
    D: Deserializer<'de>,
{
    struct ByColumn;

    impl<'de> Visitor<'de> for ByColumn {
        type Value = BTreeMap<SqlName, SqlText>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map from column to expression")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut by_column = BTreeMap::new();
            while let Some(column) = map.next_key::<SqlName>()? {
                if by_column.contains_key(&column) {
                    return Err(A::Error::custom(format!(
                        "column {column} stands here twice"
                    )));
                }
                by_column.insert(column, map.next_value()?);
            }
            Ok(by_column)
        }
    }

    deserializer.deserialize_any(ByColumn)
}
