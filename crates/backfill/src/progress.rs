//! What a run has done so far, summed over its workers, and told at most a few times a second.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crossfade_plan::event::{Event, RowProgress};
use crossfade_postgres::catalog::Estimates;

use crate::error::BackfillError;
use crate::job::Job;

/// How often progress is told.
const EVERY: Duration = Duration::from_millis(200);

/// The running sum.
#[derive(Debug)]
pub(crate) struct Tally {
    rows_per_block: f64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    blocks: u64,
    blocks_done: u64,
    rows_done: u64,
    recent: Recent,
    told: Option<Instant>,
}

/// For how long a chunk counts for the rate. Delays between chunks are shorter, and belong to it; a
/// pause or a wait of hours does not.
const WINDOW: Duration = Duration::from_secs(30);

/// The chunks of the last while, of all workers.
#[derive(Debug, Default)]
struct Recent {
    since: Option<Instant>,
    chunks: VecDeque<Done>,
}

/// A chunk that committed.
#[derive(Debug, Clone, Copy)]
struct Done {
    at: Instant,
    rows: u64,
    blocks: u64,
}

impl Recent {
    /// Adds a chunk that has `took` so long.
    fn add(&mut self, done: Done, took: Duration) {
        let idle = |last: &Done| done.at.duration_since(last.at) > WINDOW;
        if self.chunks.back().is_none_or(idle) {
            self.chunks.clear();
            self.since = done.at.checked_sub(took);
        }
        self.chunks.push_back(done);
        while let Some(oldest) = self.chunks.front()
            && done.at.duration_since(oldest.at) > WINDOW
        {
            self.since = Some(oldest.at);
            self.chunks.pop_front();
        }
    }

    /// Rows and blocks a second, delays between the chunks included; `None` before the first one.
    fn rates(&self) -> Option<(f64, f64)> {
        let (since, last) = (self.since?, self.chunks.back()?);
        let seconds = last.at.duration_since(since).as_secs_f64();
        let sum = |of: fn(&Done) -> u64| as_f64(self.chunks.iter().map(of).sum());
        (seconds > 0.0).then(|| {
            (
                sum(|done| done.rows) / seconds,
                sum(|done| done.blocks) / seconds,
            )
        })
    }
}

impl Tally {
    /// Starts from what earlier runs did.
    pub(crate) async fn start(job: &Job) -> Result<Self, BackfillError> {
        let session = job.store.session(&job.tag("progress")).await?;
        let progress = job.store.range_progress(&session, job.migration).await?;
        let estimates = Estimates::load(&session, job.source.0).await?;
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let rows_per_block = estimates
            .and_then(|e| Some(e.rows? / as_f64(e.blocks.max(1))))
            .filter(|rows| *rows > 0.0)
            // Never analysed: about what rows of a few dozen bytes come to.
            .unwrap_or(100.0);
        Ok(Self {
            rows_per_block,
            inner: Mutex::new(Inner {
                blocks: count(progress.blocks),
                blocks_done: count(progress.blocks_done),
                rows_done: count(progress.rows_copied),
                recent: Recent::default(),
                told: None,
            }),
        })
    }

    /// Rows in a block, by the server's statistics.
    pub(crate) fn rows_per_block(&self) -> f64 {
        self.rows_per_block
    }

    /// Adds a chunk that committed.
    pub(crate) fn add(&self, job: &Job, blocks: u32, rows: u64, took: Duration) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.blocks_done += u64::from(blocks);
        inner.rows_done += rows;
        let done = Done {
            at: Instant::now(),
            rows,
            blocks: u64::from(blocks),
        };
        inner.recent.add(done, took);
        let due = inner.told.is_none_or(|told| told.elapsed() >= EVERY);
        if due || inner.blocks_done >= inner.blocks {
            inner.told = Some(Instant::now());
            job.events
                .emit(Event::Progress(inner.progress(self.rows_per_block)));
        }
    }
}

impl Inner {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "estimates for people; never negative"
    )]
    fn progress(&self, rows_per_block: f64) -> RowProgress {
        let left = self.blocks.saturating_sub(self.blocks_done);
        // What was seen says more than the statistics, as soon as something was.
        let density = if self.blocks_done > 0 && self.rows_done > 0 {
            as_f64(self.rows_done) / as_f64(self.blocks_done)
        } else {
            rows_per_block
        };
        let rates = self.recent.rates();
        RowProgress {
            rows_done: self.rows_done,
            rows_estimated: Some(self.rows_done + (as_f64(left) * density) as u64),
            rate: rates.map(|(rows, _)| rows),
            eta_seconds: rates
                .filter(|(_, blocks)| *blocks > 0.0)
                .map(|(_, blocks)| (as_f64(left) / blocks) as u64),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "estimates for people")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(at: Instant) -> Done {
        Done {
            at,
            rows: 1000,
            blocks: 10,
        }
    }

    #[test]
    fn the_rate_counts_delays_and_forgets_pauses() {
        let (start, took) = (Instant::now(), Duration::from_millis(50));
        let at = |millis| start + Duration::from_millis(millis);
        let mut recent = Recent::default();
        assert_eq!(recent.rates(), None);
        // Five a second, each followed by a delay.
        for chunk in 0..=200 {
            recent.add(done(at(50 + chunk * 200)), took);
        }
        let (rows, blocks) = recent.rates().expect("it was measured");
        assert!((rows - 5000.0).abs() < 100.0, "{rows}");
        assert!((blocks - 50.0).abs() < 1.0, "{blocks}");
        // An hour later.
        recent.add(done(at(3_600_000)), took);
        let (rows, _) = recent.rates().expect("it was measured");
        assert!((rows - 20_000.0).abs() < 1.0, "{rows}");
    }
}
