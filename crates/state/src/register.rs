//! Registration: a plan gets an id, a lease and a control row.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::file::PlanFile;
use crossfade_postgres::{Param, Queries, Transaction};
use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, Type};

use crate::actor::Actor;
use crate::error::StateError;
use crate::event::NewEvent;
use crate::id::{MigrationId, RelationOid};
use crate::store::{Store, only};

/// How often a registration is tried that others overtake.
const ATTEMPTS: u32 = 5;

const LIVE_NAME: &str = "\
    select id, (plan -> 'file')::text as file from {state}.migration \
     where name = $1 and stage <> 'rolled_back'";

/// By name and by oid: after a cutover the name belongs to another table, and the old one has
/// another name.
const LIVE_TABLE: &str = "\
    select name from {state}.migration \
     where stage not in ('contracted', 'rolled_back') \
       and ((table_schema = $1 and table_name = $2) or table_oid = $3)";

const INSERT: &str = "\
    insert into {state}.migration \
           (name, fingerprint, plan, table_schema, table_name, table_oid, created_by) \
    values ($1, $2, $3, $4, $5, $6, session_user::text || ' ' || $7) \
    returning id";

/// The lease and the control row exist from the start, so that there always is a row to lock. A plan
/// that asks for it begins on hold.
const CHILDREN: &str = "\
    with lease as (insert into {state}.lease (migration_id) values ($1)) \
    insert into {state}.control (migration_id, hold) values ($1, $2)";

/// What triggers recorded under this name belongs to a migration that was rolled back.
const FORGET_ROW_ERRORS: &str = "delete from {state}.row_error where migration = $1";

/// What is to be registered.
#[derive(Debug, Clone, Copy)]
pub struct NewMigration<'a> {
    /// What the planner made.
    pub plan: &'a ExecutionPlan,
    /// The source table.
    pub table_oid: RelationOid,
    /// Who registers it.
    pub actor: &'a Actor,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is new.
    New(MigrationId),
    /// The same plan file was registered before, and has not been rolled back. Its own execution
    /// plan is the one that counts.
    Existing(MigrationId),
}

impl Registered {
    /// The migration's id.
    pub fn id(self) -> MigrationId {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

impl Store {
    /// Registers a plan, unless the same plan file is registered and was not rolled back.
    ///
    /// Plan files are compared, not fingerprints: those cover the catalog, which the migration
    /// itself changes.
    pub async fn register(&self, new: NewMigration<'_>) -> Result<Registered, StateError> {
        let name = &new.plan.file.name;
        for _ in 0..ATTEMPTS {
            let transaction = self.begin("state/register").await?;
            match self.register_in(&transaction, new).await {
                Ok(registered) => {
                    transaction.commit().await?;
                    return Ok(registered);
                }
                // A registration that was not visible above committed first: look again.
                Err(StateError::Query(error)) if error.is(&SqlState::UNIQUE_VIOLATION) => {
                    transaction.rollback().await?;
                }
                Err(error) => {
                    transaction.abandon().await;
                    return Err(error);
                }
            }
        }
        Err(StateError::RegistrationOvertaken(name.clone()))
    }

    async fn register_in(
        &self,
        transaction: &Transaction,
        new: NewMigration<'_>,
    ) -> Result<Registered, StateError> {
        let plan = new.plan;
        let name = plan.file.name.as_str();
        let by_name: [Param<'_>; 1] = [(&name, Type::TEXT)];
        if let Some(row) = transaction
            .query_opt(&self.sql(LIVE_NAME), &by_name)
            .await?
        {
            let id = MigrationId(row.try_get("id")?);
            let file: String = row.try_get("file")?;
            return same_file(&plan.file, id, &file);
        }
        let table = &plan.mapping.source;
        let (schema, relation) = (table.schema.as_str(), table.name.as_str());
        let by_table: [Param<'_>; 3] = [
            (&schema, Type::TEXT),
            (&relation, Type::TEXT),
            (&new.table_oid.0, Type::OID),
        ];
        if let Some(row) = transaction
            .query_opt(&self.sql(LIVE_TABLE), &by_table)
            .await?
        {
            let other = row.try_get("name")?;
            return Err(StateError::TableTaken {
                table: table.clone(),
                other,
            });
        }
        let id = self.insert_migration(transaction, new).await?;
        transaction
            .execute(
                &self.sql(CHILDREN),
                &[(&id.0, Type::INT8), (&plan.file.cutover.hold, Type::BOOL)],
            )
            .await?;
        transaction
            .execute(&self.sql(FORGET_ROW_ERRORS), &by_name)
            .await?;
        let data = json!({
            "fingerprint": plan.fingerprint,
            "new": { "name": name, "stage": "planned" },
        });
        let event = NewEvent {
            kind: "registered",
            actor: new.actor,
            data,
        };
        self.append_event(transaction, id, event).await?;
        Ok(Registered::New(id))
    }

    async fn insert_migration(
        &self,
        transaction: &Transaction,
        new: NewMigration<'_>,
    ) -> Result<MigrationId, StateError> {
        let NewMigration {
            plan,
            table_oid,
            actor,
        } = new;
        let table = &plan.mapping.source;
        let inserted = transaction
            .query_opt(
                &self.sql(INSERT),
                &[
                    (&plan.file.name.as_str(), Type::TEXT),
                    (&plan.fingerprint.as_str(), Type::TEXT),
                    (&Json(plan), Type::JSON),
                    (&table.schema.as_str(), Type::TEXT),
                    (&table.name.as_str(), Type::TEXT),
                    (&table_oid.0, Type::OID),
                    (&actor.as_str(), Type::TEXT),
                ],
            )
            .await?;
        let row = only(inserted);
        Ok(MigrationId(row.try_get("id")?))
    }
}

fn same_file(file: &PlanFile, id: MigrationId, stored: &str) -> Result<Registered, StateError> {
    let registered: PlanFile =
        serde_json::from_str(stored).map_err(|error| StateError::Unreadable {
            what: "the plan file",
            migration: id,
            source: Some(error.into()),
        })?;
    if registered == *file {
        return Ok(Registered::Existing(id));
    }
    Err(StateError::PlanEdited {
        name: file.name.clone(),
        id,
    })
}
