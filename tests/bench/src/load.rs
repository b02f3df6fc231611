//! An application at work on the measured table: short transactions by key, and a few longer ones.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};
use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::server::Server;
use crate::table::TABLE;

/// Connections of the application.
const CONNECTIONS: u64 = 8;

/// Keys of rows that it adds; the table's own are smaller.
const FIRST_NEW_KEY: i32 = 1_000_000_000;

/// For how long the longer transactions are held open, in milliseconds.
const HELD_MS: Range<u64> = 20..60;

/// What its connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each statement is its own transaction.
    Short,
    /// The same, but every fourth connection holds each of its transactions open for a while.
    SomeHeld,
}

/// What it has done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadReport {
    /// Transactions a second.
    pub(crate) per_second: f64,
    /// Milliseconds that 99 of 100 transactions did not exceed.
    pub(crate) p99_ms: f64,
    /// Milliseconds of the longest one.
    pub(crate) longest_ms: f64,
}

/// An application at work.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    connections: JoinSet<std::result::Result<(), tokio_postgres::Error>>,
}

#[derive(Debug)]
struct Shared {
    rows: i32,
    next_key: AtomicI32,
    stop: CancellationToken,
    done: Vec<AtomicU64>,
    tally: Mutex<Tally>,
}

#[derive(Debug)]
struct Tally {
    since: Instant,
    microseconds: Histogram<u64>,
}

impl Load {
    /// Starts it, and returns when every connection has done something.
    pub(crate) async fn start(server: &Server, rows: u32, manner: Manner) -> Result<Self> {
        let shared = Arc::new(Shared {
            rows: i32::try_from(rows)?,
            next_key: AtomicI32::new(FIRST_NEW_KEY),
            stop: CancellationToken::new(),
            done: (0..CONNECTIONS).map(|_| AtomicU64::new(0)).collect(),
            tally: Mutex::new(Tally::new()?),
        });
        let mut connections = JoinSet::new();
        for (number, seed) in (0..CONNECTIONS).enumerate() {
            let client = server.app().await?;
            let connection = Connection {
                statements: Statements::prepare(&client).await?,
                client,
                shared: Arc::clone(&shared),
                number,
                held: manner == Manner::SomeHeld && number % 4 == 0,
                rng: StdRng::seed_from_u64(seed),
                mine: Vec::new(),
            };
            connections.spawn(connection.work());
        }
        let mut load = Self {
            shared,
            connections,
        };
        load.everybody_again().await?;
        Ok(load)
    }

    /// Returns when every connection has ended another transaction: what waited for a lock that
    /// is gone is in the report then.
    pub(crate) async fn everybody_again(&mut self) -> Result<()> {
        let counts = |shared: &Shared| -> Vec<u64> {
            shared
                .done
                .iter()
                .map(|done| done.load(Ordering::Acquire))
                .collect()
        };
        let before = counts(&self.shared);
        loop {
            let now = counts(&self.shared);
            if now.iter().zip(&before).all(|(now, before)| now > before) {
                return Ok(());
            }
            self.check()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets it work for a while.
    pub(crate) async fn watch(&mut self, time: Duration) -> Result<LoadReport> {
        self.take()?;
        tokio::time::sleep(time).await;
        self.check()?;
        self.take()
    }

    /// What was done since this was asked last.
    pub(crate) fn take(&self) -> Result<LoadReport> {
        let fresh = Tally::new()?;
        let mut tally = self.shared.tally();
        let tally = std::mem::replace(&mut *tally, fresh);
        Ok(tally.report())
    }

    /// Ends it. Fails if any statement has failed.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.shared.stop.cancel();
        while let Some(ended) = self.connections.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Fails when a connection has ended by itself: only a failure ends one before the stop.
    fn check(&mut self) -> Result<()> {
        match self.connections.try_join_next() {
            None => Ok(()),
            Some(ended) => {
                ended??;
                Err("a connection of the application has ended".into())
            }
        }
    }
}

impl Shared {
    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            since: Instant::now(),
            microseconds: Histogram::new(3)?,
        })
    }

    fn record(&mut self, microseconds: u64) {
        // Not `saturating_record`: that one does not grow, and cuts off at 2047.
        self.microseconds
            .record(microseconds)
            .expect("it grows as needed");
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds and counts of minutes"
    )]
    fn report(&self) -> LoadReport {
        let ms = |microseconds: u64| microseconds as f64 / 1000.0;
        LoadReport {
            per_second: self.microseconds.len() as f64 / self.since.elapsed().as_secs_f64(),
            p99_ms: ms(self.microseconds.value_at_quantile(0.99)),
            longest_ms: ms(self.microseconds.max()),
        }
    }
}

/// What the application sends.
#[derive(Debug)]
struct Statements {
    update: Statement,
    insert: Statement,
    delete: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> std::result::Result<Self, tokio_postgres::Error> {
        let update = format!("update {TABLE} set score = score + 1 where id = $1");
        let insert = format!(
            "insert into {TABLE} (id, score, created_at, name, email, status, note)
             values ($1, 1, pg_catalog.now(), 'Ada Lovelace', 'ada@example.com', 'new',
                     pg_catalog.repeat('x', 135))"
        );
        let delete = format!("delete from {TABLE} where id = $1");
        Ok(Self {
            update: client.prepare(&update).await?,
            insert: client.prepare(&insert).await?,
            delete: client.prepare(&delete).await?,
        })
    }
}

/// One connection at work.
struct Connection {
    client: Client,
    statements: Statements,
    shared: Arc<Shared>,
    number: usize,
    held: bool,
    rng: StdRng,
    // Keys that it has added and not yet deleted.
    mine: Vec<i32>,
}

impl Connection {
    async fn work(mut self) -> std::result::Result<(), tokio_postgres::Error> {
        while !self.shared.stop.is_cancelled() {
            let started = Instant::now();
            if self.held {
                self.client.batch_execute("begin").await?;
                self.statement().await?;
                let ms = self.rng.random_range(HELD_MS);
                // The application's own time, as it talks to somebody else.
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.client.batch_execute("commit").await?;
            } else {
                self.statement().await?;
            }
            let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.shared.tally().record(took);
            self.shared.done[self.number].fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    /// Three updates, one insert and one delete of five. It deletes what it has added, so that
    /// the table stays as large as it is.
    async fn statement(&mut self) -> std::result::Result<(), tokio_postgres::Error> {
        let (statement, key) = match self.rng.random_range(0..5) {
            0 => (&self.statements.insert, None),
            1 => (&self.statements.delete, self.mine.pop()),
            _ => {
                let key = self.rng.random_range(1..=self.shared.rows);
                (&self.statements.update, Some(key))
            }
        };
        // Nothing left to delete: it adds instead.
        let (statement, key) = key.map_or_else(
            || {
                let key = self.shared.next_key.fetch_add(1, Ordering::Relaxed);
                self.mine.push(key);
                (&self.statements.insert, key)
            },
            |key| (statement, key),
        );
        self.client.execute(statement, &[&key]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transaction_is_told_in_full() -> Result<()> {
        let mut tally = Tally::new()?;
        for _ in 0..99 {
            tally.record(1_000);
        }
        tally.record(5_000_000);
        let report = tally.report();
        assert!((0.99..1.01).contains(&report.p99_ms), "{report:?}");
        assert!(
            (4_990.0..5_010.0).contains(&report.longest_ms),
            "{report:?}"
        );
        Ok(())
    }
}
