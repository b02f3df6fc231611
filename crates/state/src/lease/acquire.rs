//! Taking a lease, taking it anew, and giving it back.

use std::time::Duration;

use crossfade_postgres::{Contention, ErrorClass, Queries, Transaction, TransactionSettings};
use serde_json::json;
use tokio::time::Instant;
use tokio_postgres::types::Type;

use super::{Acquired, Lease};
use crate::actor::{Actor, Process};
use crate::error::StateError;
use crate::event::NewEvent;
use crate::id::{Epoch, MigrationId};
use crate::store::Store;

/// Conflicts with `for key share`, which every open transaction of the last owner holds. A plain
/// update of the epoch would not: it is no key column.
const LOCK: &str = "select owner from {state}.lease where migration_id = $1 for update";

/// A statement of its own after the lock: whether the lease has expired is asked when nobody can
/// renew it any more.
const TAKE: &str = "\
    update {state}.lease \
       set owner = $2, epoch = epoch + 1, \
           acquired_at = n.at, heartbeat_at = n.at, \
           expires_at = n.at + pg_catalog.make_interval(secs => $3) \
      from (select pg_catalog.clock_timestamp() as at) n \
     where migration_id = $1 \
       and (owner = $2 or ($4 and (owner is null or expires_at <= n.at))) \
    returning epoch";

const RELEASE: &str = "\
    update {state}.lease \
       set owner = null, acquired_at = null, heartbeat_at = null, expires_at = null \
     where migration_id = $1 and epoch = $2 and owner = $3";

impl Store {
    /// Asks for the lease of a migration: it is given if it is free, expired by the server's
    /// clock, or already `owner`'s (the answer to an earlier call was lost).
    ///
    /// Waits for the open transactions of the last owner, at most `ttl`
    /// ([`StateError::TakeoverBlocked`]); a lease that is in use is not locked at all.
    pub async fn acquire(
        &self,
        id: MigrationId,
        owner: &Process,
        ttl: Duration,
    ) -> Result<Acquired, StateError> {
        let session = self.session("state/lease").await?;
        let holder = self.lease_holder(&session, id).await?;
        drop(session);
        if let Some(holder) = holder
            && !holder.expired
            && holder.owner != *owner
        {
            return Ok(Acquired::HeldBy(holder));
        }
        // Nobody else can renew or take it between these two while the row is locked, so there is
        // a holder whenever it was not given.
        let transaction = self.lock_lease(id, ttl).await?;
        if let Some(lease) = self.take(&transaction, id, owner, ttl, true).await? {
            transaction.commit().await?;
            return Ok(Acquired::Acquired(lease));
        }
        let holder = self.lease_holder(&transaction, id).await?;
        transaction.abandon().await;
        holder
            .map(Acquired::HeldBy)
            .ok_or(StateError::UnknownMigration(id))
    }

    /// Takes our own lease anew after a connection was lost, with a new epoch: work begun under
    /// the old one can no longer commit.
    ///
    /// This decides every COMMIT whose answer was lost: that transaction holds `for key share` on
    /// the lease until it has ended, and we wait for it here, so what the state says afterwards is
    /// final. (`pg_xact_status` alone is not enough: after a crash of the server a transaction id
    /// that never reached the disk is given out again, and its status is then another one's.)
    pub async fn reacquire(&self, lease: &Lease) -> Result<Lease, StateError> {
        let transaction = self.lock_lease(lease.migration, lease.ttl).await?;
        let taken = self
            .take(
                &transaction,
                lease.migration,
                &lease.owner,
                lease.ttl,
                false,
            )
            .await?;
        let Some(taken) = taken else {
            transaction.abandon().await;
            return Err(lease.fenced_out());
        };
        transaction.commit().await?;
        Ok(taken)
    }

    /// Gives a lease back, so that the next runner need not wait for its expiry. Does nothing if
    /// it is no longer ours.
    pub async fn release(&self, lease: &Lease) -> Result<(), StateError> {
        let transaction = self.begin("state/lease").await?;
        let released = transaction
            .execute(
                &self.sql(RELEASE),
                &[
                    (&lease.migration.0, Type::INT8),
                    (&lease.epoch.0, Type::INT8),
                    (&lease.owner.to_string(), Type::TEXT),
                ],
            )
            .await?;
        if released > 0 {
            let actor = Actor::from(&lease.owner);
            let data = json!({ "epoch": lease.epoch });
            let event = NewEvent {
                kind: "lease_released",
                actor: &actor,
                data,
            };
            self.append_event(&transaction, lease.migration, event)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Waits until no transaction under this lease is open, and keeps new ones out.
    async fn lock_lease(&self, id: MigrationId, ttl: Duration) -> Result<Transaction, StateError> {
        let settings = TransactionSettings {
            lock_timeout: ttl,
            contention: Contention::Runners,
            statement_timeout: Some(ttl),
            ..Default::default()
        };
        let transaction = self.database().begin("state/lease", &settings).await?;
        match transaction
            .query_opt(&self.sql(LOCK), &[(&id.0, Type::INT8)])
            .await
        {
            Ok(Some(_)) => Ok(transaction),
            Ok(None) => {
                transaction.abandon().await;
                Err(StateError::UnknownMigration(id))
            }
            Err(source) => {
                transaction.abandon().await;
                Err(match source.class() {
                    ErrorClass::Retry => StateError::TakeoverBlocked {
                        migration: id,
                        waited: ttl,
                        source,
                    },
                    _ => source.into(),
                })
            }
        }
    }

    /// Makes `owner` the owner if it is already, or, where `from_others`, if nobody is.
    async fn take(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        owner: &Process,
        ttl: Duration,
        from_others: bool,
    ) -> Result<Option<Lease>, StateError> {
        let renewed = Instant::now();
        let row = transaction
            .query_opt(
                &self.sql(TAKE),
                &[
                    (&id.0, Type::INT8),
                    (&owner.to_string(), Type::TEXT),
                    (&ttl.as_secs_f64(), Type::FLOAT8),
                    (&from_others, Type::BOOL),
                ],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let epoch = Epoch(row.try_get("epoch")?);
        let actor = Actor::from(owner);
        let event = NewEvent {
            kind: "lease_acquired",
            actor: &actor,
            data: json!({ "epoch": epoch }),
        };
        self.append_event(transaction, id, event).await?;
        Ok(Some(Lease {
            migration: id,
            epoch,
            owner: owner.clone(),
            ttl,
            renewed,
        }))
    }
}
