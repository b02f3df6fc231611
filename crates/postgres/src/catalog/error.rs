//! Why a catalog could not be read.

use crate::query_error::QueryError;

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The server refused a statement, or the connection broke.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The catalog holds something that no supported version has.
    #[error("the server's catalog of {object} reads in a way that no supported version has")]
    Unexpected {
        /// What was read: `columns`, `indexes`.
        object: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}
