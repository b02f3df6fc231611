//! The lease: one runner for each migration, and proof for each of its transactions.
//!
//! `crates/state/README.md` has the algorithm and why it holds.

mod acquire;
mod fence;
mod heartbeat;
mod watch;

use std::time::Duration;

use crossfade_postgres::Queries;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_postgres::types::Type;

pub use heartbeat::HeartbeatTask;
pub use watch::Watched;

use crate::actor::Process;
use crate::error::StateError;
use crate::id::{Epoch, MigrationId};
use crate::store::Store;

const HOLDER: &str = "\
    select owner, epoch, acquired_at, heartbeat_at, expires_at, \
           expires_at <= pg_catalog.clock_timestamp() as expired \
      from {state}.lease where migration_id = $1 and owner is not null";

/// The right to work on a migration, until somebody else took it over. What proves it is not this
/// value but [`Store::check_lease`], in the transaction of the work.
#[derive(Debug, Clone)]
pub struct Lease {
    migration: MigrationId,
    epoch: Epoch,
    owner: Process,
    ttl: Duration,
    /// Taken before the server was asked: the server's expiry is later by our clock's rate.
    renewed: Instant,
}

impl Lease {
    /// The migration.
    pub fn migration(&self) -> MigrationId {
        self.migration
    }

    /// Which change of hands made it ours.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whose it is.
    pub fn owner(&self) -> &Process {
        &self.owner
    }

    /// How long it lasts without a heartbeat.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    fn fenced_out(&self) -> StateError {
        StateError::FencedOut {
            migration: self.migration,
            epoch: self.epoch,
        }
    }
}

/// Who has a lease, as seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The runner.
    pub owner: Process,
    /// Its epoch.
    pub epoch: Epoch,
    /// Since when.
    pub acquired_at: Timestamp,
    /// Its last sign of life.
    pub heartbeat_at: Timestamp,
    /// From when on somebody else may take it.
    pub expires_at: Timestamp,
    /// Whether that time had come, by the server's clock.
    pub expired: bool,
}

/// What became of asking for a lease.
#[derive(Debug, Clone)]
pub enum Acquired {
    /// It is ours.
    Acquired(Lease),
    /// Another runner has it.
    HeldBy(LeaseHolder),
}

impl Store {
    /// Who has the lease, expired or not; `None` where it is free.
    pub async fn lease_holder(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Option<LeaseHolder>, StateError> {
        let Some(row) = on
            .query_opt(&self.sql(HOLDER), &[(&id.0, Type::INT8)])
            .await?
        else {
            return Ok(None);
        };
        let owner: &str = row.try_get("owner")?;
        Ok(Some(LeaseHolder {
            owner: owner.parse().map_err(|error: crate::actor::ProcessError| {
                StateError::Unreadable {
                    what: "the owner of the lease",
                    migration: id,
                    source: Some(error.into()),
                }
            })?,
            epoch: Epoch(row.try_get("epoch")?),
            acquired_at: row.try_get("acquired_at")?,
            heartbeat_at: row.try_get("heartbeat_at")?,
            expires_at: row.try_get("expires_at")?,
            expired: row.try_get("expired")?,
        }))
    }
}
