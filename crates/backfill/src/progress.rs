//! What a run has done so far, summed over its workers, and told at most a few times a second.

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
    // Of this run only, and only while chunks ran: waits are left out of the rate.
    rows_measured: u64,
    blocks_measured: u64,
    working: Duration,
    workers: u32,
    told: Option<Instant>,
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
                rows_measured: 0,
                blocks_measured: 0,
                working: Duration::ZERO,
                workers: job.settings.workers.max(1),
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
        inner.blocks_measured += u64::from(blocks);
        inner.rows_done += rows;
        inner.rows_measured += rows;
        inner.working += took;
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
        let seconds = self.working.as_secs_f64() / f64::from(self.workers);
        let measured = self.blocks_measured > 0 && seconds > 0.0;
        RowProgress {
            rows_done: self.rows_done,
            rows_estimated: Some(self.rows_done + (as_f64(left) * density) as u64),
            rate: measured.then(|| as_f64(self.rows_measured) / seconds),
            eta_seconds: measured
                .then(|| (as_f64(left) * seconds / as_f64(self.blocks_measured)) as u64),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "estimates for people")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
