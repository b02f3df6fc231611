//! What a workload has done, as data and as a table of text.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::kind::Kind;
use super::latency::{Latency, LatencyReport};
use super::ledger::Ledger;
use super::spec::Isolation;

/// A statement that failed, or showed something wrong. Free of row values.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// The kind of its transaction; `None` while connecting.
    pub kind: Option<Kind>,
    /// The isolation level of its transaction.
    pub isolation: Option<Isolation>,
    /// What the server said, if it said something.
    pub sqlstate: Option<String>,
    /// What was wrong.
    pub reason: String,
    /// The statement, with parameters as `$1`.
    pub statement: String,
}

/// What was done of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct KindReport {
    /// The kind.
    pub kind: Kind,
    /// Transactions that ended as meant, and touched at least one row.
    pub commits: u64,
    /// Transactions that ended as meant, but found no row.
    pub idle: u64,
    /// Rows touched in the application's table.
    pub rows: u64,
    /// Transactions run again after 40001 at REPEATABLE READ or SERIALIZABLE.
    pub retries: u64,
    /// Failed transactions.
    pub failures: u64,
    /// Latency of each of its statements.
    pub latency: LatencyReport,
}

/// What a workload has done up to now, or up to its end.
#[derive(Clone, Debug, Serialize)]
pub struct WorkloadReport {
    /// For how long it has run, in seconds.
    pub seconds: f64,
    /// Transactions that ended as meant.
    pub commits: u64,
    /// The same per second.
    pub commits_per_second: f64,
    /// Transactions run again after 40001.
    pub retries: u64,
    /// How often NOWAIT found its row locked (55P03).
    pub nowait_busy: u64,
    /// How often a connection was lost and made again.
    pub disconnects: u64,
    /// How often prepared statements were made again after a change of the schema.
    pub reprepared: u64,
    /// Connections that still work.
    pub connections: usize,
    /// The number of the next new key.
    pub next_key: u32,
    /// Latency of all statements.
    pub latency: LatencyReport,
    /// A line for each kind in the mix.
    pub kinds: Vec<KindReport>,
    /// How many failures there were.
    pub failures_total: u64,
    /// The first of them.
    pub failures: Vec<Failure>,
}

/// The kinds that did less than was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too few transactions of: {}", .0.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "))]
pub struct TooFew(pub Vec<Kind>);

impl WorkloadReport {
    pub(crate) fn new(ledger: &Ledger, ran: Duration, connections: usize, next_key: u32) -> Self {
        let mut latency = Latency::new();
        let mut kinds = Vec::with_capacity(ledger.kinds.len());
        for (kind, counters) in &ledger.kinds {
            latency.add(&counters.latency);
            kinds.push(KindReport {
                kind: *kind,
                commits: counters.commits,
                idle: counters.idle,
                rows: counters.rows,
                retries: counters.retries,
                failures: counters.failures,
                latency: counters.latency.report(),
            });
        }
        let commits = kinds.iter().map(|kind| kind.commits + kind.idle).sum();
        #[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^52 commits")]
        let commits_per_second = commits as f64 / ran.as_secs_f64().max(f64::EPSILON);
        Self {
            seconds: ran.as_secs_f64(),
            commits,
            commits_per_second,
            retries: kinds.iter().map(|kind| kind.retries).sum(),
            nowait_busy: ledger.nowait_busy,
            disconnects: ledger.disconnects,
            reprepared: ledger.reprepared,
            connections,
            next_key,
            latency: latency.report(),
            kinds,
            failures_total: ledger.failures_total,
            failures: ledger.failures.clone(),
        }
    }

    /// The failures that were kept; all of them, unless there were very many.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Whether each kind in the mix has committed and touched a row, at least once.
    pub fn every_kind_ran(&self) -> Result<(), TooFew> {
        self.every_kind_ran_times(1)
    }

    /// The same, at least so many times.
    pub fn every_kind_ran_times(&self, least: u64) -> Result<(), TooFew> {
        let lazy = self.kinds.iter().filter(|kind| kind.commits < least);
        let lazy: Vec<Kind> = lazy.map(|kind| kind.kind).collect();
        if lazy.is_empty() {
            Ok(())
        } else {
            Err(TooFew(lazy))
        }
    }

    /// A table of the kinds, latencies in milliseconds, and a line for the whole.
    pub fn to_text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "kind", "commits", "no row", "rows", "retries", "failures", "waits", "p50 ms",
            "p99 ms", "max ms",
        ]);
        for kind in &self.kinds {
            let counts = [
                kind.commits,
                kind.idle,
                kind.rows,
                kind.retries,
                kind.failures,
            ];
            table.add_row(line(kind.kind.name(), counts, &kind.latency));
        }
        let sum = |count: fn(&KindReport) -> u64| self.kinds.iter().map(count).sum();
        let counts = [
            sum(|kind| kind.commits),
            sum(|kind| kind.idle),
            sum(|kind| kind.rows),
            self.retries,
            self.failures_total,
        ];
        table.add_row(line("all", counts, &self.latency));
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!(
            "{table}\n{} transactions in {:.1} s, {:.0} per second; NOWAIT found a row locked {} \
             times; {} connections lost; statements prepared anew {} times\n",
            self.commits,
            self.seconds,
            self.commits_per_second,
            self.nowait_busy,
            self.disconnects,
            self.reprepared,
        )
    }
}

fn line(name: &str, counts: [u64; 5], latency: &LatencyReport) -> Vec<String> {
    let millis = |us: u64| format!("{}.{:02}", us / 1000, us % 1000 / 10);
    let mut cells = vec![name.to_owned()];
    cells.extend(counts.map(|count| count.to_string()));
    cells.push(latency.waits.to_string());
    cells.extend([latency.p50_us, latency.p99_us, latency.max_us].map(millis));
    cells
}
