//! Where a table is stored and how large it is: what changes without a change of the schema.

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use super::{CatalogError, load};
use crate::query_error::QueryError;
use crate::session::Queries;

const ESTIMATES: &str = include_str!("estimates.sql");
const FILENODE: &str = "select pg_catalog.pg_relation_filenode($1)";

/// How large a table is, its partitions included. Sizes are bytes on disk as of now, the count of
/// rows is the server's estimate. Never compared for drift.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimates {
    /// Rows; `None` when neither VACUUM nor ANALYZE has ever seen the table.
    pub rows: Option<f64>,
    /// Blocks of the main fork, as of now.
    pub blocks: u64,
    /// The table with its TOAST table and maps.
    pub table_bytes: u64,
    /// All indexes.
    pub index_bytes: u64,
}

impl Estimates {
    /// Measures a table, by OID. Waits for whoever holds it in ACCESS EXCLUSIVE mode.
    pub async fn load(queries: &impl Queries, table: u32) -> Result<Option<Self>, CatalogError> {
        let sizes = load::list(queries, "sizes", ESTIMATES, &[(&table, Type::OID)]).await?;
        Ok(sizes.into_iter().next())
    }

    /// Everything together, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.table_bytes + self.index_bytes
    }
}

/// The file that a relation is stored in. Another one after each rewrite (TRUNCATE, VACUUM FULL,
/// CLUSTER), which invalidates block positions. `None` when there is no such relation, or it has
/// no storage of its own.
pub async fn relation_filenode(
    queries: &impl Queries,
    relation: u32,
) -> Result<Option<u32>, QueryError> {
    match queries
        .query_opt(FILENODE, &[(&relation, Type::OID)])
        .await?
    {
        Some(row) => Ok(row.try_get(0)?),
        None => Ok(None),
    }
}
