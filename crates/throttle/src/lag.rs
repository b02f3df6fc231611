//! Watches how far replicas are behind, every 250 ms, while there is a limit for it.

use std::time::Duration;

use crossfade_postgres::{Database, Queries, QueryError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Row;

use crate::board::{Board, Signal};
use crate::replicas::{Lag, Replicas, Walsender};
use crate::{LOOK_LIMIT, NO_ANSWER};

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(250);

const WALSENDERS: &str = include_str!("lag.sql");

/// The collector.
#[derive(Debug)]
pub(crate) struct LagWatch {
    database: Database,
    migration: String,
    tag: String,
    replicas: Replicas,
    /// The limit under which the replicas were seen.
    limit: Option<Duration>,
    board: watch::Sender<Board>,
}

impl LagWatch {
    pub(crate) fn new(
        database: Database,
        migration: String,
        tag: String,
        board: watch::Sender<Board>,
    ) -> Self {
        Self {
            database,
            migration,
            tag,
            replicas: Replicas::default(),
            limit: None,
            board,
        }
    }

    /// Looks every 250 ms while there is a limit, for as long as it is polled.
    pub(crate) async fn run(mut self) {
        let mut board = self.board.subscribe();
        loop {
            if self.limit.is_some() {
                sleep(INTERVAL).await;
            } else {
                // Never closed: this very task holds the sender.
                let _ = board
                    .wait_for(|board| board.settings.max_replica_lag.is_some())
                    .await;
            }
            self.look().await;
        }
    }

    /// Looks once, if there is a limit.
    pub(crate) async fn look(&mut self) {
        let limit = self.board.borrow().settings.max_replica_lag;
        if self.limit != limit {
            // Whoever changes the limit wants to start afresh, without the replicas that are gone.
            self.limit = limit;
            self.replicas = Replicas::default();
        }
        if limit.is_none() {
            self.board.send_modify(|board| board.lag = Signal::new());
            return;
        }
        let asked = Instant::now();
        let rows = self.read().await;
        let found = rows.and_then(|rows| {
            self.judge(Instant::now(), &rows)
                .map_err(|error| QueryError::from(error).to_string())
        });
        self.board.send_modify(|board| match found {
            Ok(lag) => board.lag.found(lag, asked),
            Err(error) => board.lag.failed("replica lag", error),
        });
    }

    fn judge(&mut self, now: Instant, rows: &[Row]) -> Result<Lag, tokio_postgres::Error> {
        let position = |value: i64| u64::try_from(value).unwrap_or(0);
        let (mut flushed, mut role) = (0, String::new());
        let mut walsenders = Vec::with_capacity(rows.len());
        for row in rows {
            flushed = position(row.try_get("flushed")?);
            role = row.try_get("role")?;
            walsenders.push(Walsender {
                name: row.try_get("name")?,
                address: row.try_get("address")?,
                slot: row.try_get("slot")?,
                visible: row.try_get("visible")?,
                replayed: row.try_get::<_, Option<i64>>("replayed")?.map(position),
                lag: row
                    .try_get::<_, Option<i64>>("lag_us")?
                    .map(|micros| Duration::from_micros(position(micros))),
            });
        }
        Ok(self
            .replicas
            .judge(now, flushed, &walsenders, (&role, &self.migration)))
    }

    async fn read(&self) -> Result<Vec<Row>, String> {
        let session = self
            .database
            .session(&self.tag)
            .await
            .map_err(|error| error.to_string())?;
        if let Ok(outcome) = timeout(LOOK_LIMIT, session.query(WALSENDERS, &[])).await {
            return outcome.map_err(|error| error.to_string());
        }
        session.discard();
        Err(NO_ANSWER.to_owned())
    }
}
