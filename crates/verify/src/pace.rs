//! What the one who runs a verification decides before each chunk, and hears after it.

use std::time::Duration;

use crate::compare::Found;

/// Whether the next chunk may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Go,
    /// The verification ends here; a later one can go on.
    Stop,
}

/// Paces a verification and hears of its progress.
pub trait Pace: Sync {
    /// Returns when the next chunk may run. Awaited by each worker before each of its chunks.
    fn ready(&self) -> impl Future<Output = Permission> + Send;

    /// A chunk was compared and recorded.
    fn compared(&self, chunk: &Compared);
}

/// What one chunk has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Rows read on the source.
    pub source_rows: u64,
    /// Rows read on the target.
    pub target_rows: u64,
    /// Rows that are missing, different or extra.
    pub differences: u64,
    /// Time of the statement.
    pub took: Duration,
}

impl From<&Found> for Compared {
    fn from(found: &Found) -> Self {
        let rows = |count: i64| u64::try_from(count).unwrap_or(0);
        Self {
            source_rows: rows(found.source_rows),
            target_rows: rows(found.target_rows),
            differences: rows(found.differences),
            took: found.took,
        }
    }
}
