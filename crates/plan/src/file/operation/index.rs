//! The operation that adds an index.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    Ident,
    file::{SqlName, SqlText, scalar::Scalar},
};

/// Adds an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddIndex {
    /// The index.
    pub name: SqlName,
    /// What is indexed: the target's columns, or expressions over them.
    #[schemars(length(min = 1))]
    pub columns: Vec<IndexColumn>,
    /// Columns that the index carries along.
    #[serde(default)]
    pub include: Vec<SqlName>,
    /// The access method.
    #[serde(default = "btree")]
    pub method: SqlName,
    /// Which rows are indexed: an SQL expression over the target's columns.
    #[serde(default, rename = "where")]
    pub predicate: Option<SqlText>,
    /// Whether the index refuses duplicates.
    #[serde(default)]
    pub unique: bool,
}

fn btree() -> SqlName {
    // "btree" is a constant that the rule of names accepts.
    SqlName::from(Ident::new("btree").expect("a valid name"))
}

/// What an index orders by: a column's name, or an expression with its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexColumn {
    /// A column of the target, in the default order.
    Column(SqlName),
    /// An expression over the target's columns.
    Expression(IndexExpression),
}

/// An index column that is more than a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IndexExpression {
    /// The expression; a bare column name is one.
    pub expr: SqlText,
    /// The direction.
    #[serde(default)]
    pub order: Option<SortOrder>,
    /// Where NULLs stand.
    #[serde(default)]
    pub nulls: Option<NullsOrder>,
    /// The operator class, NAME or SCHEMA.NAME.
    #[serde(default)]
    pub opclass: Option<SqlText>,
    /// The collation, NAME or SCHEMA.NAME.
    #[serde(default)]
    pub collation: Option<SqlText>,
}

/// The direction of an index column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SortOrder {
    /// Ascending.
    Asc,
    /// Descending.
    Desc,
}

/// Where an index column puts NULLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NullsOrder {
    /// Before all values.
    First,
    /// After all values.
    Last,
}

impl<'de> Deserialize<'de> for IndexColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = IndexColumn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column name, or a map with expr")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<IndexColumn, E> {
                SqlName::from_text(text)
                    .map(IndexColumn::Column)
                    .map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IndexColumn, A::Error> {
                IndexExpression::deserialize(MapAccessDeserializer::new(map))
                    .map(IndexColumn::Expression)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Serialize for IndexColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Column(name) => name.serialize(serializer),
            Self::Expression(expression) => expression.serialize(serializer),
        }
    }
}

impl JsonSchema for IndexColumn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IndexColumn".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let column = generator.subschema_for::<SqlName>();
        let expression = generator.subschema_for::<IndexExpression>();
        schemars::json_schema!({
            "description": "A column of the target, or an expression with its order.",
            "anyOf": [column, expression]
        })
    }
}
