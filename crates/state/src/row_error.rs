//! Row errors: rows that the other side refuses, by key. While one is left, the gate is shut.

use crossfade_plan::MigrationName;
use crossfade_postgres::Queries;
use jiff::Timestamp;
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::store::{Store, only};
use crate::verification::Direction;

const RECORD: &str = "\
    insert into {state}.row_error as e \
           (migration, direction, key, sqlstate, column_name, constraint_name) \
    values ($1, $2, $3, $4, $5, $6) \
    on conflict (migration, direction, key_hash) do update \
       set sqlstate = excluded.sqlstate, column_name = excluded.column_name, \
           constraint_name = excluded.constraint_name, \
           last_at = pg_catalog.clock_timestamp(), times = e.times + 1 \
    returning times = 1";

const CLEAR: &str = "\
    delete from {state}.row_error \
     where migration = $1 and direction = $2 and key = $3 and times = $4 and last_at = $5";

const LIST: &str = "\
    select key, sqlstate, column_name, constraint_name, first_at, last_at, times \
      from {state}.row_error where migration = $1 and direction = $2 order by id limit $3";

const COUNT: &str = "\
    select count(*) as errors from {state}.row_error where migration = $1 and direction = $2";

/// A refusal to record. Only names and the SQLSTATE: the server's texts carry values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRowError<'a> {
    /// Key of the row on the side that was written, its columns as text.
    pub key: &'a [String],
    /// Why it was refused.
    pub sqlstate: &'a str,
    /// The column that the server named.
    pub column: Option<&'a str>,
    /// The constraint that the server named.
    pub constraint: Option<&'a str>,
}

/// A recorded refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Key of the row on the side that was written, its columns as text.
    pub key: Vec<String>,
    /// Why it was refused last.
    pub sqlstate: String,
    /// The column that the server named.
    pub column: Option<String>,
    /// The constraint that the server named.
    pub constraint: Option<String>,
    /// First refusal.
    pub first_at: Timestamp,
    /// Last refusal.
    pub last_at: Timestamp,
    /// How often.
    pub times: i64,
}

impl Store {
    /// Records that a row was refused, or that it was again; whether it is the first time.
    pub async fn record_row_error(
        &self,
        on: &impl Queries,
        migration: &MigrationName,
        direction: Direction,
        error: NewRowError<'_>,
    ) -> Result<bool, StateError> {
        let row = on
            .query_opt(
                &self.sql(RECORD),
                &[
                    (&migration.as_str(), Type::TEXT),
                    (&direction.as_str(), Type::TEXT),
                    (&error.key, Type::TEXT_ARRAY),
                    (&error.sqlstate, Type::TEXT),
                    (&error.column, Type::TEXT),
                    (&error.constraint, Type::TEXT),
                ],
            )
            .await?;
        Ok(only(row).try_get(0)?)
    }

    /// Forgets a refusal, in the transaction that stored the row, or found that it is gone. Returns
    /// whether it was forgotten: the row may have been refused again since `error` was read, by a
    /// trigger that nobody waited for, and that is another refusal.
    pub async fn clear_row_error(
        &self,
        on: &impl Queries,
        migration: &MigrationName,
        direction: Direction,
        error: &RowError,
    ) -> Result<bool, StateError> {
        let cleared = on
            .execute(
                &self.sql(CLEAR),
                &[
                    (&migration.as_str(), Type::TEXT),
                    (&direction.as_str(), Type::TEXT),
                    (&error.key, Type::TEXT_ARRAY),
                    (&error.times, Type::INT8),
                    (&error.last_at, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok(cleared > 0)
    }

    /// The first `limit` rows that are refused, the oldest first.
    pub async fn row_errors(
        &self,
        on: &impl Queries,
        migration: &MigrationName,
        direction: Direction,
        limit: u32,
    ) -> Result<Vec<RowError>, StateError> {
        let rows = on
            .query(
                &self.sql(LIST),
                &[
                    (&migration.as_str(), Type::TEXT),
                    (&direction.as_str(), Type::TEXT),
                    (&i64::from(limit), Type::INT8),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(RowError {
                    key: row.try_get("key")?,
                    sqlstate: row.try_get("sqlstate")?,
                    column: row.try_get("column_name")?,
                    constraint: row.try_get("constraint_name")?,
                    first_at: row.try_get("first_at")?,
                    last_at: row.try_get("last_at")?,
                    times: row.try_get("times")?,
                })
            })
            .collect()
    }

    /// How many rows are refused.
    pub async fn row_error_count(
        &self,
        on: &impl Queries,
        migration: &MigrationName,
        direction: Direction,
    ) -> Result<i64, StateError> {
        let row = on
            .query_opt(
                &self.sql(COUNT),
                &[
                    (&migration.as_str(), Type::TEXT),
                    (&direction.as_str(), Type::TEXT),
                ],
            )
            .await?;
        let row = only(row);
        Ok(row.try_get("errors")?)
    }
}
