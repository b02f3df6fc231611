//! A worker: chunk after chunk, until no range is open or it is told to stop.

use std::time::{Duration, Instant};

use crossfade_plan::event::{Event, RetryClass};
use crossfade_postgres::{ErrorClass, rule};
use crossfade_state::RangeId;
use crossfade_throttle::{Admission, ChunkSize};
use tokio_postgres::error::SqlState;

use crate::approach::Approach;
use crate::chunk::{self, Chunk, FailedChunk, is_replaced};
use crate::error::BackfillError;
use crate::job::Job;
use crate::progress::Tally;
use crate::{extent, isolate};

/// The first pause after a failure; later ones are longer.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing is left that it could claim.
    Done,
    /// It was told to stop.
    Stopped,
}

/// Runs chunks.
pub(crate) async fn run(job: &Job, tally: &Tally) -> Result<Work, BackfillError> {
    let mut size = ChunkSize::new(
        job.settings.chunk_target.get(),
        job.settings.batch_size,
        tally.rows_per_block(),
    );
    let mut preferred: Option<RangeId> = None;
    let mut approach = Approach::default();
    let mut failures = Failures::default();
    loop {
        if job.throttle.admit(&job.stop).await == Admission::Stopped {
            return Ok(Work::Stopped);
        }
        job.throttle.adjust(&mut size);
        // On the heap: the future of a chunk is large, and there is one for each worker.
        match Box::pin(chunk::run(
            job,
            preferred,
            size.blocks(),
            approach.existing(),
        ))
        .await
        {
            Ok(Chunk::Copied {
                range,
                blocks,
                rows,
                complete,
                took,
            }) => {
                failures.clear();
                approach.copied(complete);
                preferred = (!range.is_done()).then_some(range.id);
                size.record(blocks, rows, took);
                tally.add(job, blocks, rows, took);
                job.throttle.paid(rows, took, &job.stop).await;
            }
            Ok(Chunk::NothingToClaim) => return Ok(Work::Done),
            Ok(Chunk::Rewritten) => {
                preferred = None;
                if let Err(error) = extent::ensure_ranges(job).await {
                    failures.pause(job, error).await?;
                }
            }
            Err(failed) if met_existing_row(&failed) && approach.gives_way() => {}
            Err(FailedChunk {
                at: Some((range, end)),
                error,
            }) if error.class() == ErrorClass::Row => {
                // Others take other ranges first, instead of bisecting the same chunk.
                count_attempt(job, range.id).await;
                if let Err(error) = isolate::run(job, &range, end).await {
                    failures.pause(job, error).await?;
                }
            }
            Err(failed) => {
                size.halve();
                approach = Approach::default();
                preferred = None;
                if let Some((range, _)) = failed.at {
                    count_attempt(job, range.id).await;
                }
                failures.pause(job, failed.error).await?;
            }
        }
    }
}

/// Puts a range behind the others: what keeps it from being copied need not keep them.
///
/// A count that is lost to the next failure only costs the order.
async fn count_attempt(job: &Job, range: RangeId) {
    let counted = async {
        let session = job.store.session(&job.tag("attempt")).await?;
        job.store.count_attempt(&session, range).await
    };
    if let Err(error) = counted.await {
        tracing::debug!(error = %error, "counting a failed chunk");
    }
}

/// Whether the target has a key of the chunk that it was taken not to have.
fn met_existing_row(failed: &FailedChunk) -> bool {
    failed.at.is_some()
        && rule::holds("backfill/met-again")
        && failed
            .error
            .query()
            .is_some_and(|error| error.is(&SqlState::UNIQUE_VIOLATION))
}

/// Does `work` again until it succeeds, through passing failures; `None` when told to stop.
pub(crate) async fn until_it_works<T, W>(
    job: &Job,
    mut work: impl FnMut() -> W,
) -> Result<Option<T>, BackfillError>
where
    W: Future<Output = Result<T, BackfillError>>,
{
    let mut failures = Failures::default();
    while !job.stop.is_cancelled() {
        match work().await {
            Ok(done) => return Ok(Some(done)),
            Err(error) => failures.pause(job, error).await?,
        }
    }
    Ok(None)
}

/// Passing failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: u32,
    since: Option<Instant>,
}

impl Failures {
    /// Something went through.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Pauses before the next attempt, or fails with an error that does not pass or that has not
    /// passed for too long. Returns early when told to stop.
    pub(crate) async fn pause(
        &mut self,
        job: &Job,
        error: BackfillError,
    ) -> Result<(), BackfillError> {
        let class = match error.class() {
            ErrorClass::Retry => retry_class(&error),
            ErrorClass::Reconnect => RetryClass::Connection,
            // Another process of ours took the range after a connection was lost here.
            _ if is_replaced(&error) => RetryClass::Conflict,
            ErrorClass::Row | ErrorClass::Privilege | ErrorClass::Unknown => return Err(error),
        };
        self.count += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > job.patience {
            return Err(BackfillError::GaveUp {
                attempts: self.count,
                last: Box::new(error),
            });
        }
        let doubled = PAUSE * 2_u32.saturating_pow(self.count.min(10));
        // Half of it at random: workers that failed together do not come back together.
        let pause = doubled
            .min(LONGEST_PAUSE)
            .mul_f64(rand::random_range(0.5..=1.0));
        tracing::warn!(error = %error, ?pause, "chunk failed, trying again");
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        job.events.emit(Event::Retry { class, pause_ms });
        tokio::select! {
            () = job.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        Ok(())
    }
}

fn retry_class(error: &BackfillError) -> RetryClass {
    match error.query() {
        Some(error) if error.is(&SqlState::LOCK_NOT_AVAILABLE) => RetryClass::Lock,
        _ => RetryClass::Conflict,
    }
}
