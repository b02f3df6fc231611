//! What the target was when the backfill had built it: what the gate compares it with.

use crossfade_plan::fingerprint::CatalogParts;
use crossfade_postgres::{Queries, Transaction};
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::Store;

const RECORD: &str = "update {state}.migration set target_catalog = $2::text::json where id = $1";

const READ: &str =
    "select target_catalog::text as target_catalog from {state}.migration where id = $1";

impl Store {
    /// Stores the parts of the target's catalog, in the transaction that closes the backfill.
    pub async fn record_target_catalog(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        parts: &CatalogParts,
    ) -> Result<(), StateError> {
        let text = serde_json::to_string(parts).map_err(|error| unreadable(id, error))?;
        transaction
            .execute(
                &self.sql(RECORD),
                &[(&id.0, Type::INT8), (&text, Type::TEXT)],
            )
            .await?;
        Ok(())
    }

    /// The parts of the target's catalog when the backfill was closed; `None` before that.
    pub async fn target_catalog(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Option<CatalogParts>, StateError> {
        let row = on
            .query_opt(&self.sql(READ), &[(&id.0, Type::INT8)])
            .await?;
        let row = row.ok_or(StateError::UnknownMigration(id))?;
        let text: Option<String> = row.try_get("target_catalog")?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(id, error)))
            .transpose()
    }
}

fn unreadable(migration: MigrationId, source: serde_json::Error) -> StateError {
    StateError::Unreadable {
        what: "the target's catalog",
        migration,
        source: Some(source.into()),
    }
}
