//! What dual-write was when it was created: stored in that very transaction, compared ever after.

use crossfade_postgres::{Queries, Transaction};
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::{MigrationId, RelationOid};
use crate::store::Store;

const RECORD: &str = "\
    update {state}.migration set target_oid = $2, continuity = $3::text::jsonb where id = $1";

const READ: &str = "\
    select target_oid, continuity::text as continuity from {state}.migration where id = $1";

/// The target and the triggers, as they were created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DualWriteRecord {
    /// The shadow table.
    pub target: RelationOid,
    /// The continuity facts, as JSON; this crate only keeps them.
    pub continuity: String,
}

impl Store {
    /// Stores what dual-write is, in the transaction that created it.
    pub async fn record_dual_write(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        record: &DualWriteRecord,
    ) -> Result<(), StateError> {
        transaction
            .execute(
                &self.sql(RECORD),
                &[
                    (&id.0, Type::INT8),
                    (&record.target.0, Type::OID),
                    (&record.continuity.as_str(), Type::TEXT),
                ],
            )
            .await?;
        Ok(())
    }

    /// What dual-write was; `None` before it exists.
    pub async fn dual_write_record(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Option<DualWriteRecord>, StateError> {
        let row = on
            .query_opt(&self.sql(READ), &[(&id.0, Type::INT8)])
            .await?;
        let row = row.ok_or(StateError::UnknownMigration(id))?;
        let target: Option<u32> = row.try_get("target_oid")?;
        let continuity: Option<String> = row.try_get("continuity")?;
        Ok(target
            .zip(continuity)
            .map(|(target, continuity)| DualWriteRecord {
                target: RelationOid(target),
                continuity,
            }))
    }
}
