//! Migrations: what is registered, and what each is doing.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::fingerprint::Fingerprint;
use crossfade_plan::{Ident, MigrationName, QualifiedName, Stage, Status};
use crossfade_postgres::Queries;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::{MigrationId, RelationOid};
use crate::store::Store;

const COLUMNS: &str = "\
    select id, name, fingerprint, stage, status, table_schema, table_name, table_oid, created_by, \
           created_at, updated_at, expanded_at, cut_over_at, finished_at, error \
      from {state}.migration";

/// The latest of a name: at most one of them was not rolled back, and it is the last one.
const BY_NAME: &str = " where name = $1 order by id desc limit 1";
const BY_ID: &str = " where id = $1";
const ALL: &str = " order by id";

const PLAN: &str = "select plan::text as plan from {state}.migration where id = $1";

/// Only what changes is written: a runner says "running" after every pause.
const SET_STATUS: &str = "\
    update {state}.migration \
       set status = $2, error = $3, updated_at = pg_catalog.clock_timestamp() \
     where id = $1 and (status, error) is distinct from ($2, $3)";

/// One registered migration, without its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationRecord {
    /// Its id.
    pub id: MigrationId,
    /// Its name.
    pub name: MigrationName,
    /// Fingerprint of its execution plan.
    pub fingerprint: Fingerprint,
    /// How far it has come.
    pub stage: Stage,
    /// What it is doing.
    pub status: Status,
    /// The migrated table.
    pub table: QualifiedName,
    /// The table that was the source at registration.
    pub table_oid: RelationOid,
    /// Role and process that registered it.
    pub created_by: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When stage, status or error last changed.
    pub updated_at: Timestamp,
    /// Since when writes reach both sides.
    pub expanded_at: Option<Timestamp>,
    /// When the target took over the name.
    pub cut_over_at: Option<Timestamp>,
    /// When it was contracted or rolled back.
    pub finished_at: Option<Timestamp>,
    /// Why the last run failed, or what it waits for.
    pub error: Option<String>,
}

impl Store {
    /// The latest migration of this name, rolled back or not.
    pub async fn find(
        &self,
        on: &impl Queries,
        name: &MigrationName,
    ) -> Result<Option<MigrationRecord>, StateError> {
        let sql = self.sql(&format!("{COLUMNS}{BY_NAME}"));
        let row = on.query_opt(&sql, &[(&name.as_str(), Type::TEXT)]).await?;
        row.as_ref().map(record).transpose()
    }

    /// One migration.
    pub async fn migration(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<MigrationRecord, StateError> {
        let sql = self.sql(&format!("{COLUMNS}{BY_ID}"));
        let row = on.query_opt(&sql, &[(&id.0, Type::INT8)]).await?;
        record(&row.ok_or(StateError::UnknownMigration(id))?)
    }

    /// All migrations, in the order in which they were registered.
    pub async fn list(&self, on: &impl Queries) -> Result<Vec<MigrationRecord>, StateError> {
        let sql = self.sql(&format!("{COLUMNS}{ALL}"));
        on.query(&sql, &[]).await?.iter().map(record).collect()
    }

    /// The execution plan, as it was registered.
    pub async fn plan(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<ExecutionPlan, StateError> {
        let row = on
            .query_opt(&self.sql(PLAN), &[(&id.0, Type::INT8)])
            .await?;
        let text: String = row
            .ok_or(StateError::UnknownMigration(id))?
            .try_get("plan")?;
        serde_json::from_str(&text).map_err(|error| StateError::Unreadable {
            what: "the plan",
            migration: id,
            source: Some(error.into()),
        })
    }

    /// Records what a migration is doing, and why it failed or waits if it does. `error` must hold no value
    /// of a row.
    pub async fn set_status(
        &self,
        on: &impl Queries,
        id: MigrationId,
        status: Status,
        error: Option<&str>,
    ) -> Result<(), StateError> {
        on.execute(
            &self.sql(SET_STATUS),
            &[
                (&id.0, Type::INT8),
                (&status.as_str(), Type::TEXT),
                (&error, Type::TEXT),
            ],
        )
        .await?;
        Ok(())
    }
}

fn record(row: &Row) -> Result<MigrationRecord, StateError> {
    let id = MigrationId(row.try_get("id")?);
    let unreadable = |what| StateError::Unreadable {
        what,
        migration: id,
        source: None,
    };
    let because = |what, source: Box<dyn std::error::Error + Send + Sync>| StateError::Unreadable {
        what,
        migration: id,
        source: Some(source),
    };
    let name: String = row.try_get("name")?;
    let stage: &str = row.try_get("stage")?;
    let status: &str = row.try_get("status")?;
    let part = |column: &'static str| -> Result<Ident, StateError> {
        let name: String = row.try_get(column)?;
        Ident::new(name).map_err(|error| because(column, error.into()))
    };
    Ok(MigrationRecord {
        id,
        name: MigrationName::new(name).map_err(|error| because("the name", error.into()))?,
        fingerprint: Fingerprint::from_hex(row.try_get::<_, String>("fingerprint")?),
        stage: Stage::from_name(stage).ok_or_else(|| unreadable("the stage"))?,
        status: Status::from_name(status).ok_or_else(|| unreadable("the status"))?,
        table: QualifiedName::new(part("table_schema")?, part("table_name")?),
        table_oid: RelationOid(row.try_get("table_oid")?),
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        expanded_at: row.try_get("expanded_at")?,
        cut_over_at: row.try_get("cut_over_at")?,
        finished_at: row.try_get("finished_at")?,
        error: row.try_get("error")?,
    })
}
