//! Control: what people want a running migration to do, and who wanted it.

use crossfade_postgres::{Queries, Transaction};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_postgres::types::{Json, Type};

use crate::actor::Actor;
use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::Store;

const READ: &str = "\
    select paused, hold, settings, version from {state}.control where migration_id = $1";

const LOCK: &str = "\
    select paused, hold, settings, version from {state}.control \
     where migration_id = $1 for no key update";

const WRITE: &str = "\
    update {state}.control \
       set paused = $2, hold = $3, settings = $4, version = version + 1, \
           updated_at = pg_catalog.clock_timestamp() \
     where migration_id = $1";

const AUDIT: &str = "\
    insert into {state}.control_change (migration_id, actor, action, old_value, new_value) \
    values ($1, session_user::text || ' ' || $2, $3, $4, $5)";

const CHANGES: &str = "\
    select at, actor, action, old_value, new_value from {state}.control_change \
     where migration_id = $1 order by id";

/// What is wanted of a migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// No chunk is to begin.
    pub paused: bool,
    /// No cutover is to begin.
    pub hold: bool,
    /// Live settings by name; they win over the plan file. Their meaning is their reader's.
    pub settings: Map<String, Value>,
    /// Grows with every change: a reader that saw it before need not look at the rest.
    pub version: i64,
}

/// One change of control, or an approval, as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlChange {
    /// When.
    pub at: Timestamp,
    /// Role and process or person.
    pub actor: String,
    /// `pause`, `resume`, `hold`, `unhold`, `set` or `approve`.
    pub action: String,
    /// What it changed, before.
    pub old_value: Option<Value>,
    /// What it changed, after.
    pub new_value: Option<Value>,
}

/// A change, with its name in the records.
struct Change<'a> {
    action: &'static str,
    apply: &'a (dyn Fn(&mut Control) + Sync),
    shown: &'a (dyn Fn(&Control) -> Value + Sync),
}

impl Store {
    /// What is wanted now: one cheap statement, for every chunk.
    pub async fn control(&self, on: &impl Queries, id: MigrationId) -> Result<Control, StateError> {
        self.read_control(on, id, READ).await
    }

    /// Asks the runner to begin no further chunk. Returns whether that is news, as the others do.
    pub async fn pause(&self, id: MigrationId, actor: &Actor) -> Result<bool, StateError> {
        self.set_paused(id, actor, "pause", true).await
    }

    /// Lets the runner go on.
    pub async fn resume(&self, id: MigrationId, actor: &Actor) -> Result<bool, StateError> {
        self.set_paused(id, actor, "resume", false).await
    }

    /// Forbids the cutover for now.
    pub async fn hold(&self, id: MigrationId, actor: &Actor) -> Result<bool, StateError> {
        self.set_hold(id, actor, "hold", true).await
    }

    /// Allows the cutover again.
    pub async fn unhold(&self, id: MigrationId, actor: &Actor) -> Result<bool, StateError> {
        self.set_hold(id, actor, "unhold", false).await
    }

    /// Sets a live setting, or with `None` gives it back to the plan file.
    pub async fn set(
        &self,
        id: MigrationId,
        actor: &Actor,
        key: &str,
        value: Option<&Value>,
    ) -> Result<bool, StateError> {
        let apply = |control: &mut Control| match value {
            Some(value) => drop(control.settings.insert(key.to_owned(), value.clone())),
            None => drop(control.settings.remove(key)),
        };
        let shown = |control: &Control| json!({ key: control.settings.get(key) });
        self.change(
            id,
            actor,
            Change {
                action: "set",
                apply: &apply,
                shown: &shown,
            },
        )
        .await
    }

    /// All changes of control and approvals, the oldest first.
    pub async fn control_changes(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Vec<ControlChange>, StateError> {
        let rows = on.query(&self.sql(CHANGES), &[(&id.0, Type::INT8)]).await?;
        rows.iter()
            .map(|row| {
                Ok(ControlChange {
                    at: row.try_get("at")?,
                    actor: row.try_get("actor")?,
                    action: row.try_get("action")?,
                    old_value: row.try_get("old_value")?,
                    new_value: row.try_get("new_value")?,
                })
            })
            .collect()
    }

    /// Records who changed what, in the transaction of the change.
    pub(crate) async fn audit(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        actor: &Actor,
        action: &str,
        (old, new): (Option<Value>, Option<Value>),
    ) -> Result<(), StateError> {
        transaction
            .execute(
                &self.sql(AUDIT),
                &[
                    (&id.0, Type::INT8),
                    (&actor.as_str(), Type::TEXT),
                    (&action, Type::TEXT),
                    (&old, Type::JSONB),
                    (&new, Type::JSONB),
                ],
            )
            .await?;
        Ok(())
    }

    async fn set_paused(
        &self,
        id: MigrationId,
        actor: &Actor,
        action: &'static str,
        paused: bool,
    ) -> Result<bool, StateError> {
        let apply = |control: &mut Control| control.paused = paused;
        let shown = |control: &Control| json!({ "paused": control.paused });
        self.change(
            id,
            actor,
            Change {
                action,
                apply: &apply,
                shown: &shown,
            },
        )
        .await
    }

    async fn set_hold(
        &self,
        id: MigrationId,
        actor: &Actor,
        action: &'static str,
        hold: bool,
    ) -> Result<bool, StateError> {
        let apply = |control: &mut Control| control.hold = hold;
        let shown = |control: &Control| json!({ "hold": control.hold });
        self.change(
            id,
            actor,
            Change {
                action,
                apply: &apply,
                shown: &shown,
            },
        )
        .await
    }

    async fn change(
        &self,
        id: MigrationId,
        actor: &Actor,
        change: Change<'_>,
    ) -> Result<bool, StateError> {
        let transaction = self.begin("state/control").await?;
        let before = self.read_control(&transaction, id, LOCK).await?;
        let mut after = before.clone();
        (change.apply)(&mut after);
        if after == before {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction
            .execute(
                &self.sql(WRITE),
                &[
                    (&id.0, Type::INT8),
                    (&after.paused, Type::BOOL),
                    (&after.hold, Type::BOOL),
                    (&Json(&after.settings), Type::JSONB),
                ],
            )
            .await?;
        let values = (Some((change.shown)(&before)), Some((change.shown)(&after)));
        self.audit(&transaction, id, actor, change.action, values)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn read_control(
        &self,
        on: &impl Queries,
        id: MigrationId,
        sql: &str,
    ) -> Result<Control, StateError> {
        let row = on.query_opt(&self.sql(sql), &[(&id.0, Type::INT8)]).await?;
        let row = row.ok_or(StateError::UnknownMigration(id))?;
        Ok(Control {
            paused: row.try_get("paused")?,
            hold: row.try_get("hold")?,
            settings: row.try_get::<_, Json<_>>("settings")?.0,
            version: row.try_get("version")?,
        })
    }
}
