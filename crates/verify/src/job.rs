//! One verification: what it needs to know, and how far it may go.

use std::time::Duration;

use crossfade_plan::MigrationName;
use crossfade_plan::mapping::Mapping;
use crossfade_postgres::{Durability, Joins, Mode, RetryPolicy, TransactionSettings};
use crossfade_state::{Direction, Lease, Store};
use tokio_util::sync::CancellationToken;

/// What a verification needs to know. Shared by its workers.
#[derive(Debug)]
pub struct Job<P> {
    /// Where intervals and mismatches are kept.
    pub store: Store,
    /// Under which they are recorded.
    pub lease: Lease,
    /// The migration's name, for the tags of statements and for its row errors.
    pub name: MigrationName,
    /// Which side follows which.
    pub direction: Direction,
    /// What becomes what: for [`Direction::Reverse`] the reversed mapping.
    pub mapping: Mapping,
    /// How much at a time.
    pub settings: Settings,
    /// Asked before each chunk, told after it.
    pub pace: P,
    /// Cancels what is under way; what was recorded stays.
    pub stop: CancellationToken,
}

/// How much is compared at a time, and how long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Chunks that are compared at the same time, at least 1.
    pub workers: usize,
    /// Time that a chunk should take.
    pub chunk_time: Duration,
    /// Most rows of an interval.
    pub chunk_rows: u64,
    /// Longest time for a chunk. It grows for one that cannot be made smaller.
    pub chunk_timeout: Duration,
    /// Longest time for a statement over a whole table.
    pub table_timeout: Duration,
    /// Longest wait for a lock. Comparing waits for nothing but DDL, repair for writers of the row.
    pub lock_timeout: Duration,
    /// Mismatches that are recorded for each chunk; all of them are counted.
    pub mismatches: u32,
    /// How passing failures are met.
    pub retry: RetryPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 2,
            chunk_time: Duration::from_millis(500),
            chunk_rows: 100_000,
            chunk_timeout: Duration::from_secs(30),
            table_timeout: Duration::from_hours(1),
            lock_timeout: Duration::from_millis(200),
            mismatches: 10_000,
            retry: RetryPolicy::default(),
        }
    }
}

impl<P> Job<P> {
    /// The tag of a statement.
    pub(crate) fn tag(&self, role: &str) -> String {
        format!("{}/{role}", self.name)
    }

    /// A transaction that only reads, each statement on a snapshot of its own.
    pub(crate) fn reading(&self, joins: Joins, timeout: Duration) -> TransactionSettings {
        TransactionSettings {
            lock_timeout: self.settings.lock_timeout,
            statement_timeout: Some(timeout),
            joins,
            mode: Mode::Read,
            ..TransactionSettings::default()
        }
    }
}

/// A transaction that records. COMMIT does not wait for the flush: an interval that is lost is
/// read again.
pub(crate) fn recording() -> TransactionSettings {
    TransactionSettings {
        lock_timeout: Duration::from_secs(5),
        durability: Durability::Deferred,
        ..TransactionSettings::default()
    }
}
