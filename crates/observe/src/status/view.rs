//! What is known of one migration.

use crossfade_plan::event::Wait;
use crossfade_plan::{MigrationName, Stage, Status};
use crossfade_state::Verdict;
use jiff::Timestamp;
use serde::Serialize;

/// One migration, as `crossfade status` prints it. The names of the fields are its JSON shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusView {
    /// Its name.
    pub name: MigrationName,
    /// The migrated table, quoted where SQL quotes it.
    pub table: String,
    /// How far it has come.
    pub stage: Stage,
    /// What it is doing.
    pub status: Status,
    /// Rows that the backfill has copied.
    pub rows_done: Option<u64>,
    /// Rows to copy in all: what the blocks still to read should hold, by those already read.
    pub rows_estimated: Option<u64>,
    /// The part of the table's blocks that is copied, between 0 and 1.
    pub ratio: Option<f64>,
    /// Rows a second of late, as the runner told; `None` while nothing is copied.
    pub rate: Option<f64>,
    /// Seconds left at that rate.
    pub eta_seconds: Option<u64>,
    /// Why work stands still.
    pub wait: Option<Wait>,
    /// Who works on it.
    pub runner: Option<RunnerView>,
    /// Since when writes reach both sides; `None` while they do not.
    pub dual_write_since: Option<Timestamp>,
    /// The last verification that ended.
    pub verification: Option<VerificationView>,
    /// What going back would lose; `None` where there is no swap to go back from.
    pub way_back: Option<WayBackView>,
    /// Whether no chunk is to begin.
    pub paused: bool,
    /// Whether no cutover is to begin.
    pub hold: bool,
    /// Why the last run failed.
    pub error: Option<String>,
    /// The next step, as a command; `None` where nothing is left to do.
    pub next: Option<String>,
}

/// Who works on a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunnerView {
    /// The host, as it calls itself.
    pub host: String,
    /// The process on that host.
    pub pid: u32,
    /// How often the migration has changed hands.
    pub epoch: i64,
    /// The last sign of life, by the server's clock.
    pub heartbeat_at: Timestamp,
    /// Whether it has been silent for so long that another may take over.
    pub expired: bool,
}

/// What the old side could not take since the cutover.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct WayBackView {
    /// Rows that going back would lose, or bring back as they were.
    pub rows: u64,
    /// Writes to them.
    pub writes: u64,
    /// Since when; `None` where nothing would be lost.
    pub since: Option<Timestamp>,
}

/// A verification that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerificationView {
    /// What it proved.
    pub verdict: Verdict,
    /// When it ended.
    pub at: Option<Timestamp>,
    /// False once something came after it that voids it.
    pub valid: bool,
}
