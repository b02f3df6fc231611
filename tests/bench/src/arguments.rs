//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Measures what a migration costs, beside the server's own limit in the same run.
///
/// Starts a private PostgreSQL, and removes it at the end. Figures of different runs cannot be
/// compared, ratios can.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 80)]
pub(crate) struct Arguments {
    /// Sizes of the copied table, in rows [default: 1000000,4000000]
    #[arg(long, value_name = "ROWS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    rows: Vec<u32>,
    /// How often everything is measured; the medians count [default: 3]
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: Option<u32>,
    /// Only these parts [default: all]
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Tiny tables, once: shows that the benchmark works, and measures nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where the results are written as JSON
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench")]
    pub(crate) out: PathBuf,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// The copy beside single statements and batches.
    Copy,
    /// How long the chunks of the copy take.
    Chunk,
    /// The full verification beside one whole-table join.
    Verify,
    /// An application without and with dual-write.
    DualWrite,
    /// How long the swap holds its locks.
    Cutover,
    /// How soon a stopped backfill goes on.
    Resume,
}

impl Part {
    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Copy => "Copy",
            Self::Chunk => "Chunks of the copy",
            Self::Verify => "Full verification",
            Self::DualWrite => "Application under dual-write",
            Self::Cutover => "Cutover and rollback",
            Self::Resume => "Stop and resume of the backfill",
        }
    }
}

impl Arguments {
    /// Sizes of the copied table, smallest first.
    pub(crate) fn rows(&self) -> Vec<u32> {
        let mut rows = match (self.rows.as_slice(), self.quick) {
            ([], true) => vec![2_000, 8_000],
            ([], false) => vec![1_000_000, 4_000_000],
            (given, _) => given.to_vec(),
        };
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// How often everything is measured.
    pub(crate) fn repeat(&self) -> u32 {
        self.repeat.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// Whether a part is asked for.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Rows of the table under load: as many as the smallest of the copied ones, a million at most.
    pub(crate) fn loaded_rows(&self) -> u32 {
        self.rows()
            .first()
            .copied()
            .unwrap_or(1_000_000)
            .min(1_000_000)
    }

    /// Rows of the table that is cut over: the lock does not depend on how many there are.
    pub(crate) fn swapped_rows(&self) -> u32 {
        self.loaded_rows().min(100_000)
    }

    /// How long the application is watched in each state.
    pub(crate) fn load_time(&self) -> Duration {
        Duration::from_millis(if self.quick { 200 } else { 10_000 })
    }

    /// Cutovers, and rollbacks after them, of each kind.
    pub(crate) fn cycles(&self) -> u32 {
        if self.quick { 1 } else { self.repeat().max(5) }
    }
}
