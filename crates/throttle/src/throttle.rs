//! The throttle: what workers ask before and pay after every chunk.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossfade_plan::event::EventSink;
use crossfade_plan::file::PlanFile;
use crossfade_state::{MigrationId, Store};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::board::Board;
use crate::control::ControlWatch;
use crate::lag::LagWatch;
use crate::ledger::Ledger;
use crate::rate::RowRate;
use crate::settings::Settings;
use crate::sizing::ChunkSize;
use crate::verdict::{Reason, Verdict};

/// How often who waits looks again, even when nothing was reported: samples get old by themselves.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether a worker may begin a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// It may.
    Go,
    /// It was told to stop instead.
    Stopped,
}

/// Paces the workers of one migration. Cheap to clone; its collectors end with the last clone.
#[derive(Debug, Clone)]
pub struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    board: watch::Sender<Board>,
    ledger: Ledger,
    /// The limiter of the rate that was followed last. All workers share it.
    rate: Mutex<Option<Arc<RowRate>>>,
    /// The collectors hold nothing of this, or they would never end.
    _collectors: DropGuard,
}

impl Throttle {
    /// Starts the collectors, and returns when each has looked once, or failed to: then nothing
    /// goes until it succeeds. They end with the last clone, or with `stop`.
    ///
    /// They use up to two connections of the store's pool. `events` is told when work begins to
    /// wait, for what else, and when it goes on; it must not call the throttle.
    pub async fn start(
        store: Store,
        migration: MigrationId,
        file: &PlanFile,
        events: EventSink,
        stop: &CancellationToken,
    ) -> Self {
        let (board, _) = watch::channel(Board::new(Settings::of(file)));
        let tag = format!("{}/throttle", file.name);
        let database = store.database().clone();
        let mut lag = LagWatch::new(database, file.name.to_string(), tag.clone(), board.clone());
        let control = ControlWatch::new(store, migration, tag, board.clone());
        let token = stop.child_token();
        tokio::select! {
            biased;
            () = token.cancelled() => {}
            // Control first: it may say that lag is not to be looked at.
            () = async {
                control.look().await;
                lag.look().await;
            } => {}
        }
        tokio::spawn(token.clone().run_until_cancelled_owned(control.run()));
        tokio::spawn(token.clone().run_until_cancelled_owned(lag.run()));
        Self(Arc::new(Inner {
            board,
            ledger: Ledger::new(events),
            rate: Mutex::default(),
            _collectors: token.drop_guard(),
        }))
    }

    /// Whether a chunk may begin now, by what the collectors know; asks nobody.
    pub fn verdict(&self) -> Verdict {
        self.0.board.borrow().verdict(Instant::now())
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Settings {
        self.0.board.borrow().settings.clone()
    }

    /// Gives a chunk size the target and the bound that hold now.
    pub fn adjust(&self, size: &mut ChunkSize) {
        let board = self.0.board.borrow();
        size.adjust(board.settings.chunk_target, board.settings.most_rows());
    }

    /// Time for which work stood still, by reason. Time during which several workers wait counts
    /// once.
    pub fn waited(&self) -> BTreeMap<Reason, Duration> {
        self.0.ledger.waited(Instant::now())
    }

    /// Waits until the next chunk may begin, or until `stop`.
    pub async fn admit(&self, stop: &CancellationToken) -> Admission {
        let mut board = self.0.board.subscribe();
        let mut waiter = None;
        loop {
            if stop.is_cancelled() {
                return Admission::Stopped;
            }
            let now = Instant::now();
            let verdict = board.borrow_and_update().verdict(now);
            match verdict {
                Verdict::Go => {
                    self.0.ledger.goes_on(now);
                    return Admission::Go;
                }
                Verdict::Wait(wait) => {
                    waiter
                        .get_or_insert_with(|| self.0.ledger.enter())
                        .waits(wait, now);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                // Never closed: we hold the sender.
                _ = board.changed() => {}
                () = sleep(AGAIN) => {}
            }
        }
    }

    /// Pauses after a chunk of so many rows, which took so long on the server: nice ratio, batch
    /// delay, and the rate limit. Ends early at `stop`, and follows settings that change.
    pub async fn paid(&self, rows: u64, took: Duration, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = async {
                self.rest(took).await;
                // After the rest, during which the limiter has filled up again.
                self.pay(rows).await;
            } => {}
        }
    }

    async fn rest(&self, took: Duration) {
        let ended = Instant::now();
        let mut board = self.0.board.subscribe();
        loop {
            let pause = board.borrow_and_update().settings.pause(took);
            tokio::select! {
                () = sleep_until(ended + pause) => return,
                _ = board.wait_for(|board| board.settings.pause(took) != pause) => {}
            }
        }
    }

    async fn pay(&self, rows: u64) {
        let mut board = self.0.board.subscribe();
        loop {
            let limit = board.borrow_and_update().settings.rows_per_second;
            let Some(rate) = self.rate(limit) else { return };
            tokio::select! {
                () = rate.pay(rows) => return,
                _ = board.wait_for(|board| board.settings.rows_per_second != limit) => {}
            }
        }
    }

    /// The limiter of this rate: the one that all workers share.
    fn rate(&self, limit: Option<NonZeroU32>) -> Option<Arc<RowRate>> {
        let mut shared = self.0.rate.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.as_ref().map(|rate| rate.rows_per_second()) != limit {
            *shared = limit.map(|rows| Arc::new(RowRate::per_second(rows)));
        }
        shared.clone()
    }
}
