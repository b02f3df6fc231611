//! SQL that the user writes into a plan file: expressions, queries, types.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text cannot be SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlTextError {
    /// Nothing but white space.
    #[error("SQL must not be empty")]
    Empty,
    /// PostgreSQL has no zero byte in a statement.
    #[error("SQL must not contain a zero byte")]
    ZeroByte,
}

/// SQL from a plan file: an expression over bare column names, a query, or the name of a type.
///
/// White space around it is cut off. Whether it is right SQL is for the server to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SqlText(String);

impl SqlText {
    /// Takes a text that is not empty.
    pub fn new(text: &str) -> Result<Self, SqlTextError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SqlTextError::Empty);
        }
        if text.contains('\0') {
            return Err(SqlTextError::ZeroByte);
        }
        Ok(Self(text.to_owned()))
    }

    /// The SQL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SqlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SqlText {
    type Error = SqlTextError;

    fn try_from(text: String) -> Result<Self, SqlTextError> {
        Self::new(&text)
    }
}

impl From<SqlText> for String {
    fn from(text: SqlText) -> Self {
        text.0
    }
}

super::scalar::scalar_schema!(SqlText, "Sql", {
    "type": "string",
    "description": "SQL.",
    "minLength": 1
});
