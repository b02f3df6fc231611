//! What a workload does, and how much of each.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::app_table::AppTable;
use super::kind::Kind;
use super::shape::Shape;

/// A transaction isolation level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// How often each isolation level is used, as weights. All 0 means READ COMMITTED.
#[derive(Clone, Copy, Debug)]
pub struct IsolationMix {
    /// Weight of READ COMMITTED.
    pub read_committed: u32,
    /// Weight of REPEATABLE READ.
    pub repeatable_read: u32,
    /// Weight of SERIALIZABLE.
    pub serializable: u32,
}

impl Default for IsolationMix {
    fn default() -> Self {
        Self {
            read_committed: 70,
            repeatable_read: 20,
            serializable: 10,
        }
    }
}

/// How often each kind of transaction is run, as weights.
#[derive(Clone, Debug)]
pub struct KindMix(BTreeMap<Kind, u32>);

impl Default for KindMix {
    /// Every kind but TRUNCATE.
    fn default() -> Self {
        Self(Kind::ALL.map(|kind| (kind, kind.default_weight())).into())
    }
}

impl KindMix {
    /// Only these kinds, all equally often.
    pub fn only(kinds: &[Kind]) -> Self {
        Self(kinds.iter().map(|kind| (*kind, 1)).collect())
    }

    /// The same with another weight for one kind; 0 leaves it out.
    #[must_use]
    pub fn with(mut self, kind: Kind, weight: u32) -> Self {
        self.0.insert(kind, weight);
        self
    }

    /// The same with every weight so many times as large, to make room for something rare.
    #[must_use]
    pub fn times(mut self, factor: u32) -> Self {
        for weight in self.0.values_mut() {
            *weight = weight.saturating_mul(factor);
        }
        self
    }

    /// The kinds that are run, with their weights.
    pub(crate) fn weights(&self) -> Vec<(Kind, u32)> {
        let weights = self.0.iter().filter(|(_, weight)| **weight > 0);
        weights.map(|(kind, weight)| (*kind, *weight)).collect()
    }
}

/// Whether a COMMIT waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As the server is configured.
    Server,
    /// `synchronous_commit = off` in each transaction.
    Asynchronous,
}

/// What a lost connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// A failure; this connection is not made again.
    Fail,
    /// The server may restart: it is counted, and the connection is made again.
    Reconnect,
}

/// What a prepared statement means that a change of the schema has invalidated (0A000, 26000).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStalePlan {
    /// A failure.
    Fail,
    /// It is counted, and the transaction is run again, once, with new ones.
    Reprepare,
}

/// A workload to start. [`WorkloadSpec::new`] fills in the rest; change what you like.
#[derive(Clone, Debug)]
pub struct WorkloadSpec {
    /// A `postgresql://` URL for the application's role, without TLS.
    pub url: String,
    /// The table and its control table. Both exist.
    pub table: AppTable,
    /// How many rows were loaded by [`AppTable::load`].
    pub rows: u32,
    /// What the application uses at first.
    pub shape: Shape,
    /// How many connections work at the same time.
    pub connections: usize,
    /// The same seed makes the same choices on each connection.
    pub seed: u64,
    /// Kinds of transactions. MERGE is left out where the server has none (before 15).
    pub kinds: KindMix,
    /// Isolation levels.
    pub isolation: IsolationMix,
    /// Whether a COMMIT waits for the disk.
    pub durability: Durability,
    /// What a lost connection means.
    pub on_disconnect: OnDisconnect,
    /// What an invalidated prepared statement means.
    pub on_stale_plan: OnStalePlan,
    /// For how long a long transaction is held open.
    pub hold: RangeInclusive<Duration>,
    /// A statement that takes longer than this is counted as a wait.
    pub wait_threshold: Duration,
    /// The number of the first new key. For a second workload on the same tables, what the
    /// first one's report gives as `next_key`. The identity column gives out smaller ones.
    pub first_key: u32,
    /// How many rows a TRUNCATE inserts again.
    pub rows_after_truncate: u32,
}

impl WorkloadSpec {
    /// 8 connections, all kinds except TRUNCATE, failures counted strictly.
    pub fn new(url: impl Into<String>, table: AppTable, rows: u32) -> Self {
        Self {
            url: url.into(),
            shape: Shape::of(&table),
            table,
            rows,
            connections: 8,
            seed: 1,
            kinds: KindMix::default(),
            isolation: IsolationMix::default(),
            durability: Durability::Server,
            on_disconnect: OnDisconnect::Fail,
            on_stale_plan: OnStalePlan::Fail,
            hold: Duration::from_millis(100)..=Duration::from_millis(500),
            wait_threshold: Duration::from_millis(100),
            first_key: 1_000_000_000,
            rows_after_truncate: 200,
        }
    }
}
