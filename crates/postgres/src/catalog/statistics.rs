//! Extended statistics.

use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

/// One statistics object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendedStatistics {
    /// Its name; the schema need not be the table's.
    pub name: QualifiedName,
    /// Its owner.
    pub owner: Ident,
    /// The CREATE STATISTICS statement, with the names qualified.
    pub definition: String,
    /// The columns that it reads, in the order of the table.
    pub columns: Vec<Ident>,
    /// How much ANALYZE collects, where the object says so.
    pub statistics_target: Option<i32>,
    /// The comment.
    pub comment: Option<String>,
}
