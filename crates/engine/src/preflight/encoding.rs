//! The database knows what its texts mean.

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;

const CHECK: &str = "encoding";

/// Under `SQL_ASCII` the server takes any bytes for text and converts none. What is no UTF-8 reaches no
/// client that asks for that, and no expression that reads characters: whether there is any, only
/// reading every text would tell.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let encoding: String = value(
        context,
        "select pg_catalog.current_setting('server_encoding')",
        &[],
    )
    .await?;
    if encoding != "SQL_ASCII" {
        return Ok(Finding::pass(CHECK, format!("texts are in {encoding}")));
    }
    Ok(Finding::of(
        CHECK,
        Outcome::Unknown,
        "the database's encoding is SQL_ASCII: texts may hold bytes that are no UTF-8, and rows that do cannot \
         be mapped, recorded or compared everywhere",
        "make sure that all texts are UTF-8, then pass --accept-unknown encoding",
    ))
}
