//! Rows that the mirror refuses: how the trigger functions record them.
//!
//! The functions run as the table's owner and know no more than the migration's name. What they
//! write are the tables of the state schema.

use crossfade_plan::mapping::{Mapping, Totality, Value};
use crossfade_plan::{MigrationName, QualifiedName};
use crossfade_postgres::rule;

use crate::sql;

/// Where a refused row is recorded, and what that means.
#[derive(Debug, Clone)]
pub enum Refusals {
    /// Before cutover: the row leaves the target and is to be mended; the gate stays shut meanwhile.
    RowErrors {
        /// `row_error` of the state schema.
        table: QualifiedName,
        /// The migration.
        migration: MigrationName,
    },
    /// After cutover: the old side keeps what it has, and the way back is no longer without loss.
    Losses {
        /// `reverse_loss` of the state schema; only ever appended to, since one row for each
        /// migration would make all such writers wait for each other.
        table: QualifiedName,
        /// The migration.
        migration: MigrationName,
    },
}

impl Refusals {
    /// Whether a refused row is taken out of the mirror.
    pub(crate) fn remove_from_mirror(&self) -> bool {
        matches!(self, Self::RowErrors { .. })
    }

    /// Records one row; the arguments are plpgsql expressions.
    pub(crate) fn record(
        &self,
        key: &str,
        sqlstate: &str,
        column: &str,
        constraint: &str,
    ) -> String {
        match self {
            Self::RowErrors { table, migration } => format!(
                "insert into {table} as e (migration, direction, key, sqlstate, column_name, constraint_name) \
                 values ({}, 'forward', {key}, {sqlstate}, nullif({column}, ''), nullif({constraint}, '')) \
                 on conflict (migration, direction, key_hash) do update set sqlstate = excluded.sqlstate, \
                 column_name = excluded.column_name, constraint_name = excluded.constraint_name, \
                 last_at = pg_catalog.clock_timestamp(), times = e.times + 1;",
                sql::literal(migration.as_str()),
            ),
            Self::Losses { table, migration } => format!(
                "insert into {table} (migration, key, column_name) values ({}, {key}, nullif({column}, ''));",
                sql::literal(migration.as_str()),
            ),
        }
    }

    /// What TRUNCATE means for the records: rows that could not be mirrored are gone, what was
    /// lost stays lost.
    pub(crate) fn after_truncate(&self) -> Option<String> {
        match self {
            Self::RowErrors { table, migration } => Some(format!(
                "delete from {table} where migration = {} and direction = 'forward';",
                sql::literal(migration.as_str()),
            )),
            Self::Losses { .. } => None,
        }
    }
}

/// Errors of a partial mapping that are the row's own matter. What concerns the transaction or
/// the server (rollback, resources, locks, cancel, system) goes through to the application as it
/// would without us.
pub(crate) fn passed_on() -> &'static str {
    if rule::holds("dual-write/pass-others") {
        "if pg_catalog.left(sqlstate, 2) operator(pg_catalog.=) any \
         ('{40,53,55,57,58,XX}'::pg_catalog.text[]) then raise; end if;"
    } else {
        ""
    }
}

/// Runs a statement whose failure means that there is nothing to do.
pub(crate) fn ignoring(statement: &str) -> String {
    let passed_on = passed_on();
    format!("begin {statement} exception when others then {passed_on} end;")
}

/// Whether the image of a key can fail.
pub(crate) fn key_can_fail(mapping: &Mapping) -> bool {
    mapping.key_images().any(|image| {
        image.totality == Totality::Partial || matches!(image.value, Value::Expression(_))
    })
}
