//! What the connections of a workload count.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kind::Kind;
use super::latency::Latency;
use super::report::Failure;

/// Failures beyond this many are counted only.
const KEPT_FAILURES: usize = 1000;

/// Counters of one kind.
#[derive(Debug)]
pub(crate) struct KindLedger {
    pub(crate) commits: u64,
    pub(crate) idle: u64,
    pub(crate) rows: u64,
    pub(crate) retries: u64,
    pub(crate) failures: u64,
    pub(crate) latency: Latency,
}

/// All counters.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) kinds: BTreeMap<Kind, KindLedger>,
    pub(crate) nowait_busy: u64,
    pub(crate) disconnects: u64,
    pub(crate) reprepared: u64,
    pub(crate) failures_total: u64,
    pub(crate) failures: Vec<Failure>,
}

impl Ledger {
    pub(crate) fn new(kinds: impl Iterator<Item = Kind>) -> Self {
        let empty = |kind| {
            let ledger = KindLedger {
                commits: 0,
                idle: 0,
                rows: 0,
                retries: 0,
                failures: 0,
                latency: Latency::new(),
            };
            (kind, ledger)
        };
        Self {
            kinds: kinds.map(empty).collect(),
            nowait_busy: 0,
            disconnects: 0,
            reprepared: 0,
            failures_total: 0,
            failures: Vec::new(),
        }
    }

    pub(crate) fn latencies(&mut self, kind: Kind, latencies: &[Duration], threshold: Duration) {
        self.kind(kind, |ledger| {
            for took in latencies {
                ledger.latency.record(*took, threshold);
            }
        });
    }

    /// A transaction has ended as it was meant to, having touched so many rows.
    pub(crate) fn done(&mut self, kind: Kind, rows: u64) {
        self.kind(kind, |ledger| {
            ledger.rows += rows;
            match rows {
                0 => ledger.idle += 1,
                _ => ledger.commits += 1,
            }
        });
    }

    pub(crate) fn retried(&mut self, kind: Kind) {
        self.kind(kind, |ledger| ledger.retries += 1);
    }

    pub(crate) fn failed(&mut self, failure: Failure) {
        if let Some(kind) = failure.kind {
            self.kind(kind, |ledger| ledger.failures += 1);
        }
        self.failures_total += 1;
        if self.failures.len() < KEPT_FAILURES {
            self.failures.push(failure);
        }
    }

    fn kind(&mut self, kind: Kind, change: impl FnOnce(&mut KindLedger)) {
        if let Some(ledger) = self.kinds.get_mut(&kind) {
            change(ledger);
        }
    }
}
