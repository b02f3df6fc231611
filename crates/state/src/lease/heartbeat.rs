//! Heartbeats: a runner says that it is alive, and learns when it no longer may work.

use std::time::Duration;

use crossfade_postgres::{Contention, Durability, Queries, TransactionSettings};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::types::Type;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Lease;
use crate::error::StateError;
use crate::store::Store;

/// No key column changes, so this passes the `for key share` of open transactions. A takeover that
/// has the row makes it wait, and then it finds another epoch.
const RENEW: &str = "\
    update {state}.lease \
       set heartbeat_at = n.at, expires_at = n.at + pg_catalog.make_interval(secs => $4) \
      from (select pg_catalog.clock_timestamp() as at) n \
     where migration_id = $1 and epoch = $2 and owner = $3";

/// How often within its time a lease is renewed.
const BEATS: u32 = 6;

impl Store {
    /// Renews a lease by its whole time. [`StateError::FencedOut`] where it is no longer ours.
    pub async fn heartbeat(&self, lease: &Lease) -> Result<(), StateError> {
        let patience = lease.ttl / BEATS;
        let settings = TransactionSettings {
            lock_timeout: patience,
            contention: Contention::Runners,
            statement_timeout: Some(patience),
            // One that a crash loses only makes the lease end earlier.
            durability: Durability::Deferred,
            ..Default::default()
        };
        let transaction = self.database().begin("state/heartbeat", &settings).await?;
        let renewed = transaction
            .execute(
                &self.sql(RENEW),
                &[
                    (&lease.migration.0, Type::INT8),
                    (&lease.epoch.0, Type::INT8),
                    (&lease.owner.to_string(), Type::TEXT),
                    (&lease.ttl.as_secs_f64(), Type::FLOAT8),
                ],
            )
            .await?;
        transaction.commit().await?;
        if renewed == 0 {
            Err(lease.fenced_out())
        } else {
            Ok(())
        }
    }
}

/// A task that renews a lease six times within its time, until it is stopped or dropped, or the
/// lease is lost.
#[derive(Debug)]
pub struct HeartbeatTask {
    lost: CancellationToken,
    task: JoinHandle<()>,
    stop: DropGuard,
}

impl HeartbeatTask {
    /// How long it is from one beat of a lease to the next.
    pub fn interval(lease: &Lease) -> Duration {
        lease.ttl / BEATS
    }

    /// Starts it. A lease that was [reacquired](Store::reacquire) needs a new one.
    pub fn spawn(store: Store, lease: Lease) -> Self {
        let lost = CancellationToken::new();
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let told = lost.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = beat_until_lost(&store, &lease) => told.cancel(),
            }
        });
        Self {
            lost,
            task,
            stop: guard,
        }
    }

    /// Cancelled when the lease is lost: somebody took it over, or no heartbeat got through before
    /// its time was up. Nothing may be begun then; the fence keeps what is open from harm.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Stops it, and returns when no heartbeat is under way any more.
    pub async fn stop(self) {
        let Self { task, stop, .. } = self;
        drop(stop);
        if let Err(error) = task.await {
            tracing::error!(error = %error, "the heartbeat task ended badly");
        }
    }
}

/// Returns when the lease is lost.
async fn beat_until_lost(store: &Store, lease: &Lease) {
    let interval = HeartbeatTask::interval(lease);
    let mut renewed = lease.renewed;
    let mut next = renewed + interval;
    loop {
        // By our own clock, counted from before the renewal was sent: never later than the end
        // that the server has written down.
        let end = renewed + lease.ttl;
        sleep_until(next.min(end)).await;
        let sent = Instant::now();
        match timeout_at(end, store.heartbeat(lease)).await {
            Ok(Ok(())) => renewed = sent,
            Ok(Err(error @ StateError::FencedOut { .. })) => {
                tracing::warn!(error = %error, "another runner has the lease");
                return;
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "a heartbeat failed");
            }
            Err(_) => {
                tracing::warn!(migration = %lease.migration, "no heartbeat got through in time");
                return;
            }
        }
        next = sent + interval.max(Duration::from_millis(1));
    }
}
