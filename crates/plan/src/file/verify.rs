//! The `verify` section: how both sides are compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SqlText;

/// How both sides are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// What is compared. Only `full` opens the way to the cutover.
    pub mode: VerifyMode,
    /// Queries that must return no row.
    pub invariants: Vec<Invariant>,
}

/// What a verification compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// Every row and every column.
    #[default]
    Full,
    /// Rows drawn at random.
    Sample,
    /// The numbers of rows.
    Counts,
}

/// A query that must return no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invariant {
    /// What the report calls it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The query.
    pub sql: SqlText,
}
