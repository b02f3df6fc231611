//! The horizon: the transaction after the last write of ours to the shadow table, and whether every
//! snapshot from before it is gone.
//!
//! It is kept because a wait for old snapshots can take hours. Whoever begins it anew, with a later
//! transaction, waits for snapshots that see every row.

use crossfade_postgres::{Queries, Transaction, rule};
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::{Store, only};

const READ: &str = "\
    select horizon::text as mark, horizon_passed_at is not null as passed \
      from {state}.migration where id = $1";

const MARK: &str = "\
    update {state}.migration \
       set horizon = pg_catalog.pg_current_xact_id(), horizon_passed_at = null \
     where id = $1 returning horizon::text as mark";

const PASS: &str = "\
    update {state}.migration set horizon_passed_at = pg_catalog.clock_timestamp() \
     where id = $1 and horizon = $2::text::xid8";

const FORGET: &str = "\
    update {state}.migration set horizon = null, horizon_passed_at = null \
     where id = $1 and horizon is not null";

/// How far the wait for old snapshots has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Horizon {
    /// Something of ours may have written since, or may be about to.
    Unmarked,
    /// Nothing of ours has written since this transaction, a `pg_current_xact_id()`.
    Marked(String),
    /// And every snapshot from before it is gone.
    Passed,
}

impl Store {
    /// How far the wait has come.
    pub async fn horizon(&self, on: &impl Queries, id: MigrationId) -> Result<Horizon, StateError> {
        let row = on
            .query_opt(&self.sql(READ), &[(&id.0, Type::INT8)])
            .await?;
        let row = row.ok_or(StateError::UnknownMigration(id))?;
        let mark: Option<String> = row.try_get("mark")?;
        Ok(match (mark, row.try_get("passed")?) {
            _ if !rule::holds("backfill/horizon-kept") => Horizon::Unmarked,
            (None, _) => Horizon::Unmarked,
            (Some(_), true) => Horizon::Passed,
            (Some(mark), false) => Horizon::Marked(mark),
        })
    }

    /// Makes this transaction the mark, and returns its id. It must be opened after every
    /// transaction of ours that wrote the shadow table has ended.
    pub async fn mark_horizon(
        &self,
        transaction: &Transaction,
        id: MigrationId,
    ) -> Result<String, StateError> {
        let marked = transaction
            .query_opt(&self.sql(MARK), &[(&id.0, Type::INT8)])
            .await?;
        Ok(only(marked).try_get("mark")?)
    }

    /// Records that every snapshot from before `mark` is gone.
    pub async fn pass_horizon(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        mark: &str,
    ) -> Result<(), StateError> {
        transaction
            .execute(&self.sql(PASS), &[(&id.0, Type::INT8), (&mark, Type::TEXT)])
            .await?;
        Ok(())
    }

    /// Forgets the mark. It must be committed before anything of ours writes the shadow table
    /// again.
    pub async fn forget_horizon(
        &self,
        transaction: &Transaction,
        id: MigrationId,
    ) -> Result<(), StateError> {
        transaction
            .execute(&self.sql(FORGET), &[(&id.0, Type::INT8)])
            .await?;
        Ok(())
    }
}
