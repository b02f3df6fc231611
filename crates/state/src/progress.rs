//! From stage to stage, in the order that the protocol's proofs need.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::{Progress, Stage};
use crossfade_postgres::{Queries, Transaction};
use serde_json::json;
use tokio_postgres::types::Type;

use crate::actor::Actor;
use crate::error::StateError;
use crate::event::NewEvent;
use crate::id::MigrationId;
use crate::store::Store;

/// Two that advance at once come one after the other, and the second sees the first one's stage.
const LOCK: &str = "select stage from {state}.migration where id = $1 for no key update";

const UPDATE: &str = "\
    update {state}.migration \
       set stage = $2, \
           status = case when $3 then 'done' else status end, \
           rollback_sql = $4, \
           updated_at = n.at, \
           expanded_at = case $5 when 'expanded' then n.at else expanded_at end, \
           cut_over_at = case $5 when 'cut_over' then n.at else cut_over_at end, \
           finished_at = case when $3 then n.at else finished_at end \
      from (select pg_catalog.clock_timestamp() as at) n \
     where id = $1";

const VOID: &str = "\
    update {state}.verification set valid = false where migration_id = $1 and valid";

impl Store {
    /// Moves a migration on, in the transaction of the work that `progress` stands for, and
    /// returns the stage that it is in then.
    ///
    /// [`Progress::ProofVoided`] also voids every verification, one that is running too.
    pub async fn advance(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        progress: Progress,
        actor: &Actor,
    ) -> Result<Stage, StateError> {
        // In as few round trips as can be: the swap does this while everybody waits.
        let (before, plan) =
            tokio::try_join!(self.lock_stage(transaction, id), self.plan(transaction, id))?;
        let stage = before.after(progress)?;
        if progress == Progress::ProofVoided {
            transaction
                .execute(&self.sql(VOID), &[(&id.0, Type::INT8)])
                .await?;
        }
        let undo = rollback_sql(&plan, stage);
        let reached = if stage == before {
            None
        } else {
            Some(stage.as_str())
        };
        let data = json!({
            "progress": progress,
            "old": { "stage": before },
            "new": { "stage": stage },
        });
        let event = NewEvent {
            kind: "stage",
            actor,
            data,
        };
        let update = self.sql(UPDATE);
        let parameters = [
            (&id.0 as _, Type::INT8),
            (&stage.as_str() as _, Type::TEXT),
            (&stage.is_final() as _, Type::BOOL),
            (&undo as _, Type::TEXT),
            (&reached as _, Type::TEXT),
        ];
        tokio::try_join!(
            async { Ok(transaction.execute(&update, &parameters).await?) },
            self.append_event(transaction, id, event),
        )?;
        Ok(stage)
    }

    /// Locks the migration against [`advance`](Self::advance) until the transaction ends.
    pub(crate) async fn lock_stage(
        &self,
        transaction: &Transaction,
        id: MigrationId,
    ) -> Result<Stage, StateError> {
        let row = transaction
            .query_opt(&self.sql(LOCK), &[(&id.0, Type::INT8)])
            .await?;
        let row = row.ok_or(StateError::UnknownMigration(id))?;
        Stage::from_name(row.try_get("stage")?).ok_or(StateError::Unreadable {
            what: "the stage",
            migration: id,
            source: None,
        })
    }
}

/// What undoes all that was done up to `stage`, as a script; `None` where nothing can or need be
/// undone.
fn rollback_sql(plan: &ExecutionPlan, stage: Stage) -> Option<String> {
    let undo = plan.undo_from(stage);
    let script = undo.script();
    (!stage.is_final() && !script.is_empty()).then_some(script)
}
