//! One run of a backfill: copy until the ranges are done, close, or stop in between.

use std::time::Duration;

use crossfade_plan::event::EventSink;
use crossfade_plan::file::Backfill;
use crossfade_plan::mapping::Mapping;
use crossfade_plan::{MigrationName, QualifiedName};
use crossfade_postgres::{Durability, Joins, TransactionSettings};
use crossfade_state::{Lease, MigrationId, RelationOid, Store};
use crossfade_throttle::Throttle;
use tokio_util::sync::CancellationToken;

use crate::error::BackfillError;
use crate::progress::Tally;
use crate::worker::until_it_works;
use crate::{closing, copy, extent, plan_shape, refused};

/// What a run needs to know. Shared by its workers.
#[derive(Debug)]
pub struct Job {
    /// Where positions are kept.
    pub store: Store,
    /// Under which every chunk commits.
    pub lease: Lease,
    /// The migration.
    pub migration: MigrationId,
    /// Its name, for the tags of statements.
    pub name: MigrationName,
    /// What becomes what.
    pub mapping: Mapping,
    /// The source's OID: its name belongs to another table after a cutover.
    pub source: RelationOid,
    /// The plan's settings.
    pub settings: Backfill,
    /// May the next chunk run?
    pub throttle: Throttle,
    /// Finish the chunk and leave.
    pub stop: CancellationToken,
    /// Where progress is told.
    pub events: EventSink,
    /// How long passing failures, held rows and old snapshots are waited for.
    pub patience: Duration,
}

/// How a run ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is missing but the rows that cannot be mapped, which are recorded.
    Copied {
        /// Rows that were recorded as impossible to map.
        row_errors: u64,
    },
    /// It was told to stop; the next run goes on from here.
    Stopped,
}

impl Job {
    /// Copies what is missing and closes. The caller still has to wait for the horizon
    /// ([`wait_for_horizon`](crate::wait_for_horizon)) before anything may rely on it.
    pub async fn run(&self) -> Result<Ending, BackfillError> {
        let Some(()) = until_it_works(self, || plan_shape::check(self)).await? else {
            return Ok(Ending::Stopped);
        };
        refused::retry_recorded(self).await?;
        loop {
            let Some(()) = until_it_works(self, || extent::ensure_ranges(self)).await? else {
                return Ok(Ending::Stopped);
            };
            let Some(tally) = until_it_works(self, || Tally::start(self)).await? else {
                return Ok(Ending::Stopped);
            };
            if copy::run(self, &tally).await? == copy::Copying::Stopped {
                return Ok(Ending::Stopped);
            }
            match closing::run(self, &tally).await? {
                closing::Closing::Closed { row_errors } => {
                    return Ok(Ending::Copied { row_errors });
                }
                closing::Closing::Stopped => return Ok(Ending::Stopped),
                // The table was rewritten: its blocks are others now.
                closing::Closing::Rewritten => {}
            }
        }
    }

    /// The table that is copied.
    pub(crate) fn source_name(&self) -> &QualifiedName {
        &self.mapping.source
    }

    /// The tag of a statement.
    pub(crate) fn tag(&self, role: &str) -> String {
        format!("{}/{role}", self.name)
    }
}

/// The settings of a chunk's transaction.
///
/// It waits for nothing but the table lock, shorter than the server waits before it looks for
/// a deadlock, so that it gives way first and no application is ever the victim. COMMIT does
/// not wait for the flush: rows and position live or die together.
pub(crate) fn chunk_settings() -> TransactionSettings {
    TransactionSettings {
        lock_timeout: Duration::from_millis(200),
        statement_timeout: Some(Duration::from_secs(30)),
        idle_timeout: Duration::from_secs(10),
        durability: Durability::Deferred,
        joins: Joins::NestedLoop,
        ..TransactionSettings::default()
    }
}
