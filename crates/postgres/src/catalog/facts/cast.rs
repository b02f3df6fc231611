//! Whether and how one type casts to another.

use tokio_postgres::types::Type;

use super::Cast;
use crate::catalog::{CatalogError, load};
use crate::session::Queries;

const CAST: &str = include_str!("cast.sql");

/// Looks for the cast from one type to another, by OID; `None` when a value of the one cannot be
/// cast to the other. Domains count as the types below them (what a domain demands of a value is
/// not looked at), arrays as their elements.
pub async fn cast(
    queries: &impl Queries,
    from: u32,
    to: u32,
) -> Result<Option<Cast>, CatalogError> {
    let params = [(&from as _, Type::OID), (&to as _, Type::OID)];
    Ok(load::list(queries, "casts", CAST, &params)
        .await?
        .into_iter()
        .next())
}
