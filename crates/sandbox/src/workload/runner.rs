//! Starts a workload, watches it, and ends it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio_postgres::{Config, NoTls};
use tokio_util::sync::CancellationToken;

use super::key_space::KeySpace;
use super::kind::Kind;
use super::ledger::Ledger;
use super::report::{TooFew, WorkloadReport};
use super::shape::Shape;
use super::side::Sides;
use super::spec::WorkloadSpec;
use super::worker::{self, Shared};

/// How often the counters are looked at while somebody waits for them.
const POLL: Duration = Duration::from_millis(10);

/// MERGE came with this version.
const FIRST_WITH_MERGE: i32 = 150_000;

/// Why a workload can't start, or has come to its end too soon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The URL can't be read, or the server is not there.
    #[error("the workload could not connect")]
    Connect(#[source] tokio_postgres::Error),
    /// Nothing to run.
    #[error("no kind of transaction has a weight above 0")]
    NothingToRun,
    /// No connection works any more.
    #[error("all connections of the workload have ended")]
    Ended(#[source] TooFew),
}

/// Starts workloads.
#[derive(Debug)]
pub struct Workload;

impl Workload {
    /// Starts one, on tasks of the current runtime.
    pub async fn start(spec: WorkloadSpec) -> Result<Running, WorkloadError> {
        let config: Config = spec.url.parse().map_err(WorkloadError::Connect)?;
        let version = server_version(&config)
            .await
            .map_err(WorkloadError::Connect)?;
        let mut kinds = spec.kinds.weights();
        kinds.retain(|(kind, _)| *kind != Kind::Merge || version >= FIRST_WITH_MERGE);
        if kinds.is_empty() {
            return Err(WorkloadError::NothingToRun);
        }
        let table = Arc::new(spec.table.clone());
        let shared = Arc::new(Shared {
            keys: KeySpace::new(table.key, spec.rows, spec.first_key),
            sides: RwLock::new(Arc::new(Sides::new(&table, spec.shape.clone()))),
            ledger: Mutex::new(Ledger::new(kinds.iter().map(|(kind, _)| *kind))),
            stop: CancellationToken::new(),
            working: AtomicUsize::new(spec.connections),
            config,
            kinds,
            spec,
        });
        let mut workers = JoinSet::new();
        for number in 0..shared.spec.connections {
            workers.spawn(worker::work(Arc::clone(&shared), number));
        }
        Ok(Running {
            shared,
            workers,
            begun: Instant::now(),
        })
    }
}

/// A workload at work. Dropping it breaks its transactions off.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
    begun: Instant,
}

impl Running {
    /// What it has done up to now.
    pub fn snapshot(&self) -> WorkloadReport {
        let working = self.shared.working.load(Ordering::Relaxed);
        let next_key = self.shared.keys.next_fresh();
        WorkloadReport::new(
            &self.shared.ledger(),
            self.begun.elapsed(),
            working,
            next_key,
        )
    }

    /// Waits until its counters are as wanted. Fails when no connection works any more.
    pub async fn wait_until(
        &self,
        wanted: impl Fn(&WorkloadReport) -> Result<(), TooFew>,
    ) -> Result<WorkloadReport, WorkloadError> {
        loop {
            // Looked at first: what the last connection has counted is then in the report.
            let working = self.shared.working.load(Ordering::Acquire);
            let report = self.snapshot();
            match wanted(&report) {
                Ok(()) => return Ok(report),
                Err(missing) if working == 0 => return Err(WorkloadError::Ended(missing)),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Waits until each kind has committed so many more transactions from now on.
    pub async fn every_kind_again(&self, more: u64) -> Result<WorkloadReport, WorkloadError> {
        let before = self.snapshot();
        self.wait_until(|now| {
            let kinds = now.kinds.iter().zip(&before.kinds);
            let lazy = kinds.filter(|(now, before)| now.commits < before.commits + more);
            let lazy: Vec<Kind> = lazy.map(|(now, _)| now.kind).collect();
            if lazy.is_empty() {
                Ok(())
            } else {
                Err(TooFew(lazy))
            }
        })
        .await
    }

    /// Lets the application use another shape of its table. When this returns, all
    /// transactions with the former one have ended, and none will follow.
    pub async fn switch_shape(&self, shape: Shape) {
        let mut sides = self.shared.sides.write().await;
        *sides = Arc::new(Sides::new(&sides.table, shape));
    }

    /// Lets each connection finish its transaction, and ends.
    pub async fn stop(mut self) -> WorkloadReport {
        self.shared.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            if let Err(panicked) = ended {
                std::panic::resume_unwind(panicked.into_panic());
            }
        }
        self.snapshot()
    }
}

async fn server_version(config: &Config) -> Result<i32, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let sql = "select pg_catalog.current_setting('server_version_num')::integer";
    client.query_one(sql, &[]).await?.try_get(0)
}
