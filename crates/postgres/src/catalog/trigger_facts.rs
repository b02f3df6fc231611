//! The facts by which a gap in dual-write is seen: a trigger that was switched off and on again,
//! or a function that was replaced and put back.

use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use super::{CatalogError, FiringState, load};
use crate::session::Queries;

const FACTS: &str = include_str!("trigger_facts.sql");

/// One of our triggers, as it stands in the catalog. Two that are equal were read with no change
/// between them: `xmin` is the transaction that last wrote the catalog row, so `DISABLE TRIGGER`
/// followed by `ENABLE TRIGGER` shows.
///
/// A `xmin` is told from an older one of the same number by the OIDs and the hash next to it; it
/// comes back only after four thousand million transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerFacts {
    /// The trigger's name.
    pub name: Ident,
    /// The trigger's OID.
    pub oid: u32,
    /// The transaction that last wrote the trigger's row.
    pub xmin: String,
    /// In which sessions it fires.
    pub state: FiringState,
    /// Level, timing and events, as the catalog's bits.
    pub kind: i16,
    /// The function.
    pub function: QualifiedName,
    /// The function's OID.
    pub function_oid: u32,
    /// The transaction that last wrote the function's row.
    pub function_xmin: String,
    /// A hash of the function's source.
    pub function_hash: String,
}

/// Reads the facts of our triggers on a table (by OID), in the order of their names.
pub async fn trigger_facts(
    queries: &impl Queries,
    table: u32,
) -> Result<Vec<TriggerFacts>, CatalogError> {
    load::list(queries, "triggers", FACTS, &[(&table, Type::OID)]).await
}
