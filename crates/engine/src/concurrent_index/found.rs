//! What earlier attempts left: an index under the name, or a backend that is still at work on it.

use crossfade_plan::QualifiedName;
use crossfade_postgres::{ErrorClass, Queries, QueryError, rule};
use tokio_postgres::types::Type;

use super::connection::Connection;
use super::watched::{self, Watched};
use crate::error::EngineError;
use crate::runner::Runner;

const STATE: &str = "select i.indisvalid as valid, \
            i.indrelid = $3::text::pg_catalog.regclass as ours \
     from pg_catalog.pg_class c \
     left join pg_catalog.pg_index i on i.indexrelid = c.oid \
     where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n \
                             where n.nspname = $1::text::pg_catalog.name) \
       and c.relname = $2::text::pg_catalog.name";

/// Builds are known by what they show of their progress; `drop index concurrently` shows none, and
/// is known by its lock on the index.
const AT_WORK: &str = "select p.pid from pg_catalog.pg_stat_progress_create_index p \
     where p.relid = $1::text::pg_catalog.regclass \
       and p.datname = pg_catalog.current_database() \
     union select l.pid from pg_catalog.pg_locks l \
     where l.locktype = 'relation' and l.mode = 'ShareUpdateExclusiveLock' and l.granted \
       and l.relation = pg_catalog.to_regclass($2) \
       and l.database = (select d.oid from pg_catalog.pg_database d \
                         where d.datname = pg_catalog.current_database()) \
       and l.pid is not null";

/// What stands under an index's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Valid,
    Invalid,
    Foreign,
}

pub(super) async fn find(
    queries: &impl Queries,
    index: &QualifiedName,
    table: &QualifiedName,
) -> Result<Found, EngineError> {
    let row = queries
        .query_opt(
            STATE,
            &[
                (&index.schema.as_str(), Type::TEXT),
                (&index.name.as_str(), Type::TEXT),
                (&table.to_string(), Type::TEXT),
            ],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Found::Nothing);
    };
    let valid: Option<bool> = row.try_get("valid").map_err(QueryError::from)?;
    let ours: Option<bool> = row.try_get("ours").map_err(QueryError::from)?;
    Ok(match (ours, valid) {
        (Some(true), Some(true)) => Found::Valid,
        (Some(true), _) if !rule::holds("index/adopt-valid") => Found::Valid,
        (Some(true), _) => Found::Invalid,
        _ => Found::Foreign,
    })
}

/// The backends that build an index on the table, or drop this one.
pub(super) async fn at_work(
    queries: &impl Queries,
    index: &QualifiedName,
    table: &QualifiedName,
) -> Result<Vec<i32>, EngineError> {
    let names = (table.to_string(), index.to_string());
    let rows = queries
        .query(AT_WORK, &[(&names.0, Type::TEXT), (&names.1, Type::TEXT)])
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get("pid").map_err(QueryError::from)?))
        .collect()
}

/// Drops an index that is not valid.
pub(super) async fn drop_invalid(
    runner: &Runner<'_>,
    connection: &Connection,
    index: &QualifiedName,
) -> Result<Watched, EngineError> {
    let statement = format!("drop index concurrently {index}");
    watched::run(runner, connection, &statement).await
}

/// Takes away what a failed build left: an INVALID unique index still refuses rows.
pub(super) async fn clean_up(
    runner: &Runner<'_>,
    index: &QualifiedName,
    table: &QualifiedName,
    because: &EngineError,
) {
    if because.class() == ErrorClass::Reconnect || !rule::holds("index/clean-up") {
        return;
    }
    let cleaning = async {
        let connection = Connection::open(runner, "index").await?;
        if find(&connection.session, index, table).await? == Found::Invalid {
            return drop_invalid(runner, &connection, index).await;
        }
        Ok::<_, EngineError>(Watched::Done)
    };
    match cleaning.await {
        Ok(Watched::Done) => {}
        Ok(Watched::Cancelled(because)) => {
            tracing::warn!(?because, index = %index, "an invalid index was left behind; the next run drops it");
        }
        Err(error) => {
            tracing::warn!(error = %error, index = %index, "an invalid index was left behind; the next run drops it");
        }
    }
}
