//! What every stage works with.

use std::collections::BTreeSet;
use std::time::Duration;

use crossfade_plan::MigrationName;
use crossfade_plan::event::EventSink;
use crossfade_plan::hazard::HazardId;
use crossfade_postgres::{Database, RetryPolicy};
use crossfade_state::{Actor, MigrationRecord, Process, Store};
use tokio_util::sync::CancellationToken;

use crate::error::EngineError;

/// Carries out migrations in one database, on behalf of one process.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) process: Process,
    pub(crate) actor: Actor,
    pub(crate) limits: Limits,
    pub(crate) events: EventSink,
    pub(crate) stop: CancellationToken,
}

/// What a command may wait for, and what it may accept.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long the lease lives without a heartbeat.
    pub lease_ttl: Duration,
    /// How long locks, old snapshots and passing failures are waited for.
    pub max_wait: Duration,
    /// Hazards that somebody has read and accepted.
    pub allowed_hazards: BTreeSet<HazardId>,
    /// Preflight checks whose "unknown" is accepted, by name.
    pub accepted_unknowns: BTreeSet<String>,
    /// Bytes that are free on the server's disk, where somebody knows.
    pub free_disk_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_mins(1),
            max_wait: Duration::from_mins(5),
            allowed_hazards: BTreeSet::new(),
            accepted_unknowns: BTreeSet::new(),
            free_disk_bytes: None,
        }
    }
}

impl Engine {
    /// Makes an engine that works as `process`: it owns the leases, and the records name it. `stop`
    /// asks long work to finish what is open and leave; `events` hears what happens.
    pub fn new(
        store: Store,
        limits: Limits,
        process: Process,
        events: EventSink,
        stop: CancellationToken,
    ) -> Self {
        Self {
            store,
            actor: Actor::from(&process),
            process,
            limits,
            events,
            stop,
        }
    }

    pub(crate) fn database(&self) -> &Database {
        self.store.database()
    }

    /// How locks on the applications' tables are asked for, again and again.
    pub(crate) fn lock_policy(&self) -> RetryPolicy {
        RetryPolicy {
            give_up_after: self.limits.max_wait,
            ..RetryPolicy::default()
        }
    }

    /// The latest migration of a name.
    pub(crate) async fn record(
        &self,
        name: &MigrationName,
    ) -> Result<MigrationRecord, EngineError> {
        let find = async || {
            let session = self.store.session("engine/find").await?;
            Ok(self.store.find(&session, name).await?)
        };
        let record = self.patiently(find).await?;
        record.ok_or_else(|| EngineError::UnknownMigration(name.clone()))
    }
}
