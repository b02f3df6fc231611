//! Approvals: who said yes to exactly this plan.

use crossfade_plan::fingerprint::Fingerprint;
use crossfade_postgres::Queries;
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::types::Type;

use crate::actor::Actor;
use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::Store;

const INSERT: &str = "\
    insert into {state}.approval (migration_id, role, actor, fingerprint) \
    select id, $2, session_user::text || ' ' || $3, fingerprint from {state}.migration \
     where id = $1 and fingerprint = $4";

const LIST: &str = "\
    select a.role, a.actor, a.at \
      from {state}.approval a join {state}.migration m on m.id = a.migration_id \
     where a.migration_id = $1 and a.fingerprint = m.fingerprint \
     order by a.id";

/// One approval of the plan as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The role that the approver speaks for.
    pub role: String,
    /// Database role and person.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Approves the plan with this fingerprint: the one that was read, which must still be the
    /// registered one.
    pub async fn approve(
        &self,
        id: MigrationId,
        actor: &Actor,
        role: &str,
        fingerprint: &Fingerprint,
    ) -> Result<(), StateError> {
        let transaction = self.begin("state/approve").await?;
        let inserted = transaction
            .execute(
                &self.sql(INSERT),
                &[
                    (&id.0, Type::INT8),
                    (&role, Type::TEXT),
                    (&actor.as_str(), Type::TEXT),
                    (&fingerprint.as_str(), Type::TEXT),
                ],
            )
            .await?;
        if inserted == 0 {
            transaction.abandon().await;
            return Err(StateError::NotThisPlan {
                migration: id,
                fingerprint: fingerprint.clone(),
            });
        }
        let approved = json!({ "role": role, "fingerprint": fingerprint });
        self.audit(&transaction, id, actor, "approve", (None, Some(approved)))
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The approvals that count: those of the registered plan, the oldest first.
    pub async fn approvals(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Vec<Approval>, StateError> {
        let rows = on.query(&self.sql(LIST), &[(&id.0, Type::INT8)]).await?;
        rows.iter()
            .map(|row| {
                Ok(Approval {
                    role: row.try_get("role")?,
                    actor: row.try_get("actor")?,
                    at: row.try_get("at")?,
                })
            })
            .collect()
    }
}
