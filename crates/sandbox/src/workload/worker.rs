//! One connection of a workload: transaction after transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::RwLock;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::sync::CancellationToken;

use super::key_space::KeySpace;
use super::kind::{Ending, Kind};
use super::ledger::Ledger;
use super::report::Failure;
use super::side::Sides;
use super::spec::{Durability, Isolation, OnDisconnect, OnStalePlan, WorkloadSpec};
use super::transaction::{Fault, Prepared, Transaction};

/// Between two attempts to connect to a server that is down.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// What the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) spec: WorkloadSpec,
    pub(crate) config: Config,
    pub(crate) kinds: Vec<(Kind, u32)>,
    pub(crate) keys: KeySpace,
    /// Read for as long as a transaction runs, so that a switch waits for all of them.
    pub(crate) sides: RwLock<Arc<Sides>>,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) stop: CancellationToken,
    pub(crate) working: AtomicUsize,
}

impl Shared {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, and the statements that it has prepared.
struct Connection {
    client: Client,
    prepared: Prepared,
}

/// How an attempt at a transaction went.
enum Outcome {
    Done { rows: u64 },
    Busy,
    Retry,
    Stale(Failure),
    Disconnected(Failure),
    Failed(Failure),
}

/// Works until it is told to stop, or until it loses its connection and may not reconnect.
pub(crate) async fn work(shared: Arc<Shared>, number: usize) {
    let mut worker = Worker::new(&shared, number);
    worker.run().await;
    shared.working.fetch_sub(1, Ordering::Relaxed);
}

struct Worker<'a> {
    shared: &'a Shared,
    config: Config,
    rng: StdRng,
    kinds: Option<WeightedIndex<u32>>,
    levels: Option<WeightedIndex<u32>>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, number: usize) -> Self {
        let mut config = shared.config.clone();
        config.application_name(format!("workload {number}"));
        let mix = shared.spec.isolation;
        Self {
            shared,
            config,
            rng: StdRng::seed_from_u64(shared.spec.seed.wrapping_add(number as u64)),
            kinds: WeightedIndex::new(shared.kinds.iter().map(|(_, weight)| *weight)).ok(),
            levels: WeightedIndex::new([mix.read_committed, mix.repeatable_read, mix.serializable])
                .ok(),
        }
    }

    async fn run(&mut self) {
        let mut connection = None;
        while !self.shared.stop.is_cancelled() {
            let Some(open) = &mut connection else {
                match self.connect().await {
                    Ok(opened) => connection = opened,
                    Err(failure) => {
                        self.shared.ledger().failed(failure);
                        return;
                    }
                }
                continue;
            };
            let kind = self.kind();
            let isolation = self.isolation();
            if self.transaction(open, kind, isolation).await.is_err() {
                if self.shared.spec.on_disconnect == OnDisconnect::Fail {
                    return;
                }
                connection = None;
            }
        }
    }

    /// Runs a transaction until it is done or has failed for good.
    async fn transaction(
        &mut self,
        connection: &mut Connection,
        kind: Kind,
        isolation: Isolation,
    ) -> Result<(), Disconnected> {
        let mut may_prepare_anew = self.shared.spec.on_stale_plan == OnStalePlan::Reprepare;
        loop {
            let outcome = self.attempt(connection, kind, isolation).await;
            let mut ledger = self.shared.ledger();
            match outcome {
                Outcome::Done { rows } => ledger.done(kind, rows),
                Outcome::Busy => ledger.nowait_busy += 1,
                Outcome::Retry => {
                    ledger.retried(kind);
                    if !self.shared.stop.is_cancelled() {
                        continue;
                    }
                }
                Outcome::Stale(_) if may_prepare_anew => {
                    ledger.reprepared += 1;
                    connection.prepared.clear();
                    may_prepare_anew = false;
                    continue;
                }
                Outcome::Failed(failure) | Outcome::Stale(failure) => ledger.failed(failure),
                Outcome::Disconnected(failure) => {
                    match self.shared.spec.on_disconnect {
                        OnDisconnect::Fail => ledger.failed(failure),
                        OnDisconnect::Reconnect => ledger.disconnects += 1,
                    }
                    return Err(Disconnected);
                }
            }
            return Ok(());
        }
    }

    async fn attempt(
        &mut self,
        connection: &mut Connection,
        kind: Kind,
        isolation: Isolation,
    ) -> Outcome {
        let spec = &self.shared.spec;
        let sides = self.shared.sides.read().await;
        let mut tx = Transaction {
            client: &connection.client,
            prepared: &mut connection.prepared,
            sides: &sides,
            keys: &self.shared.keys,
            hold: self.rng.random_range(spec.hold.clone()),
            rng: &mut self.rng,
            rows_after_truncate: spec.rows_after_truncate,
            latencies: Vec::new(),
            rows: 0,
            made: Vec::new(),
        };
        let ended = run_to_end(&mut tx, kind, isolation, spec.durability).await;
        let (latencies, made, rows) = (tx.latencies, tx.made, tx.rows);
        self.shared
            .ledger()
            .latencies(kind, &latencies, spec.wait_threshold);
        match ended {
            Ok(Ending::Commit) => self.shared.keys.remember(made),
            Ok(Ending::Rollback) => {}
            Err(fault) => {
                let outcome = judge(fault, &connection.client, kind, isolation);
                // What it says shows at the next statement as well.
                let _ = connection.client.batch_execute("rollback").await;
                return outcome;
            }
        }
        Outcome::Done { rows }
    }

    /// `None` when it was told to stop before the server was up.
    async fn connect(&self) -> Result<Option<Connection>, Failure> {
        loop {
            let connecting = self.config.connect(NoTls);
            let stopped = self.shared.stop.cancelled();
            let outcome = tokio::select! {
                outcome = connecting => outcome,
                () = stopped => return Ok(None),
            };
            match outcome {
                Ok((client, io)) => {
                    // Ends with the client; what breaks it shows at the next statement.
                    tokio::spawn(io);
                    let prepared = Prepared::new();
                    return Ok(Some(Connection { client, prepared }));
                }
                Err(source) if self.shared.spec.on_disconnect == OnDisconnect::Fail => {
                    let statement = "connect".to_owned();
                    return Err(failure(Fault::Statement { statement, source }, None, None));
                }
                Err(_) => tokio::select! {
                    () = tokio::time::sleep(RECONNECT_PAUSE) => {}
                    () = self.shared.stop.cancelled() => return Ok(None),
                },
            }
        }
    }

    fn kind(&mut self) -> Kind {
        let index = self
            .kinds
            .as_ref()
            .map_or(0, |kinds| kinds.sample(&mut self.rng));
        self.shared.kinds[index].0
    }

    fn isolation(&mut self) -> Isolation {
        match self
            .levels
            .as_ref()
            .map_or(0, |levels| levels.sample(&mut self.rng))
        {
            0 => Isolation::ReadCommitted,
            1 => Isolation::RepeatableRead,
            _ => Isolation::Serializable,
        }
    }
}

struct Disconnected;

async fn run_to_end(
    tx: &mut Transaction<'_>,
    kind: Kind,
    isolation: Isolation,
    durability: Durability,
) -> Result<Ending, Fault> {
    tx.batch(begin(isolation, durability)).await?;
    let ending = kind.run(tx).await?;
    tx.batch(match ending {
        Ending::Commit => "commit",
        Ending::Rollback => "rollback",
    })
    .await?;
    Ok(ending)
}

fn begin(isolation: Isolation, durability: Durability) -> &'static str {
    match (isolation, durability) {
        (Isolation::ReadCommitted, Durability::Server) => "begin isolation level read committed",
        (Isolation::RepeatableRead, Durability::Server) => "begin isolation level repeatable read",
        (Isolation::Serializable, Durability::Server) => "begin isolation level serializable",
        (Isolation::ReadCommitted, Durability::Asynchronous) => {
            "begin isolation level read committed; set local synchronous_commit = off"
        }
        (Isolation::RepeatableRead, Durability::Asynchronous) => {
            "begin isolation level repeatable read; set local synchronous_commit = off"
        }
        (Isolation::Serializable, Durability::Asynchronous) => {
            "begin isolation level serializable; set local synchronous_commit = off"
        }
    }
}

/// What an error means for an application.
fn judge(fault: Fault, client: &Client, kind: Kind, isolation: Isolation) -> Outcome {
    let Fault::Statement { source, .. } = &fault else {
        return Outcome::Failed(failure(fault, Some(kind), Some(isolation)));
    };
    let state = source.code().cloned();
    let failure = failure(fault, Some(kind), Some(isolation));
    let Some(state) = state else {
        return Outcome::Disconnected(failure);
    };
    match state {
        SqlState::T_R_SERIALIZATION_FAILURE if isolation != Isolation::ReadCommitted => {
            Outcome::Retry
        }
        SqlState::LOCK_NOT_AVAILABLE if kind == Kind::Nowait => Outcome::Busy,
        SqlState::FEATURE_NOT_SUPPORTED | SqlState::INVALID_SQL_STATEMENT_NAME => {
            Outcome::Stale(failure)
        }
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            Outcome::Disconnected(failure)
        }
        _ if client.is_closed() => Outcome::Disconnected(failure),
        _ => Outcome::Failed(failure),
    }
}

/// Without the server's message, which may hold values of rows.
fn failure(fault: Fault, kind: Option<Kind>, isolation: Option<Isolation>) -> Failure {
    let (statement, sqlstate, reason) = match fault {
        Fault::Statement { statement, source } => match source.code() {
            Some(state) => {
                let reason = "the server refused the statement".to_owned();
                (statement, Some(state.code().to_owned()), reason)
            }
            None => (statement, None, source.to_string()),
        },
        Fault::Diverged { statement, reason } => (statement, None, reason.to_owned()),
    };
    Failure {
        at: Timestamp::now(),
        kind,
        isolation,
        sqlstate,
        reason,
        statement,
    }
}
