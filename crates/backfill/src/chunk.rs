//! One chunk: claim, copy, checkpoint, commit, all in one transaction.

use std::time::{Duration, Instant};

use crossfade_dual_write::chunk::{Existing, chunk_statement};
use crossfade_postgres::catalog::relation_filenode;
use crossfade_postgres::{Queries, QueryError, Transaction, failpoint, rule};
use crossfade_state::{BlockNumber, Checkpoint, Range, RangeId, StateError};
use tokio_postgres::types::Type;

use crate::error::BackfillError;
use crate::isolate;
use crate::job::{Job, chunk_settings};
use crate::tid::Tid;

/// What became of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chunk {
    /// It committed.
    Copied {
        /// The range, moved on.
        range: Range,
        /// Blocks that were read.
        blocks: u32,
        /// Rows that were inserted.
        rows: u64,
        /// Whether these are all the rows of the blocks.
        complete: bool,
        /// From the first row lock to the end of the commit: what others can have waited for.
        took: Duration,
    },
    /// No range is open, or others are at the last ones.
    NothingToClaim,
    /// The table was rewritten since its ranges were made.
    Rewritten,
}

/// A chunk that failed, and what it was about.
#[derive(Debug)]
pub(crate) struct FailedChunk {
    /// The range and the end of the blocks, if it came that far.
    pub(crate) at: Option<(Range, BlockNumber)>,
    /// Why.
    pub(crate) error: BackfillError,
}

impl<E: Into<BackfillError>> From<E> for FailedChunk {
    fn from(error: E) -> Self {
        Self {
            at: None,
            error: error.into(),
        }
    }
}

/// Copies up to `blocks` blocks of a range, `preferred` if possible.
///
/// The range is fixed before any row is locked: where the next chunk begins never follows from
/// what this one returned (a key that moved would make it skip rows).
pub(crate) async fn run(
    job: &Job,
    preferred: Option<RangeId>,
    blocks: u32,
    existing: Existing,
) -> Result<Chunk, FailedChunk> {
    let settings = chunk_settings();
    let transaction = job
        .store
        .begin_fenced(&job.lease, &job.tag("backfill"), &settings)
        .await?;
    let claimed = match job
        .store
        .claim_range(&transaction, job.migration, preferred)
        .await
    {
        Ok(claimed) => claimed,
        Err(error) => return Err(abandon(transaction, error).await.into()),
    };
    let Some(range) = claimed else {
        transaction.rollback().await?;
        return Ok(Chunk::NothingToClaim);
    };
    failpoint::hit("backfill/claimed");
    let end = BlockNumber(range.end.0.min(range.position.0.saturating_add(blocks)));
    let bounds = (Tid::start_of(range.position.0), Tid::start_of(end.0));
    match copy_and_checkpoint(job, &transaction, &range, bounds, end, existing).await {
        Ok(Some((range, copied, started))) => {
            if let Err(error) = transaction.commit().await {
                return Err(FailedChunk {
                    at: None,
                    error: error.into(),
                });
            }
            failpoint::hit("backfill/committed");
            let blocks = end.0 - bounds.0.block;
            Ok(Chunk::Copied {
                range,
                blocks,
                rows: copied.inserted,
                complete: copied.is_complete(),
                took: started.elapsed(),
            })
        }
        Ok(None) => {
            transaction.rollback().await?;
            Ok(Chunk::Rewritten)
        }
        Err(error) => Err(FailedChunk {
            at: Some((range, end)),
            error: abandon(transaction, error).await,
        }),
    }
}

async fn copy_and_checkpoint(
    job: &Job,
    transaction: &Transaction,
    range: &Range,
    bounds: (Tid, Tid),
    end: BlockNumber,
    existing: Existing,
) -> Result<Option<(Range, Copied, Instant)>, BackfillError> {
    if !lock_source(job, transaction, range.filenode.0).await? {
        return Ok(None);
    }
    let started = Instant::now();
    if !rule::holds("backfill/checkpoint-with-rows") {
        Box::pin(isolate::copy_piece(job, range.filenode.0, bounds)).await?;
    }
    let copied = copy_rows(job, transaction, bounds, existing).await?;
    failpoint::hit("backfill/copied");
    let checkpoint = Checkpoint {
        position: end,
        rows: copied.inserted,
        complete: copied.is_complete() || !rule::holds("backfill/left-out"),
    };
    let range = job.store.checkpoint(transaction, range, checkpoint).await?;
    failpoint::hit("backfill/checkpointed");
    Ok(Some((range, copied, started)))
}

/// Locks the source against being rewritten or emptied.
///
/// The source before the target, always: TRUNCATE locks the source, then the target by its
/// trigger, and the other order would be a deadlock.
pub(crate) async fn source_first(
    job: &Job,
    transaction: &Transaction,
) -> Result<(), BackfillError> {
    if rule::holds("backfill/source-first") {
        let source = job.source_name();
        let lock = format!("lock table only {source} in row share mode");
        transaction.batch(&lock).await?;
    }
    Ok(())
}

/// Locks the source, then looks whether it was rewritten or emptied; `false` if so.
///
/// In this order: a look before the lock would miss a TRUNCATE that commits while we wait.
pub(crate) async fn lock_source(
    job: &Job,
    transaction: &Transaction,
    filenode: u32,
) -> Result<bool, BackfillError> {
    source_first(job, transaction).await?;
    if !rule::holds("backfill/filenode") {
        return Ok(true);
    }
    match relation_filenode(transaction, job.source.0).await? {
        Some(found) => Ok(found == filenode),
        None => Err(BackfillError::SourceGone),
    }
}

/// What the statement of a chunk did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copied {
    /// Rows that it inserted.
    pub(crate) inserted: u64,
    /// Rows of the range in the same snapshot.
    found: u64,
}

impl Copied {
    /// Whether nothing of the range is missing for certain. Rows that the target had are not
    /// told from rows that others hold: the closing pass does that.
    fn is_complete(self) -> bool {
        self.inserted == self.found
    }
}

/// Copies what the target lacks of the tuples from the first bound up to before the second.
pub(crate) async fn copy_rows(
    job: &Job,
    transaction: &Transaction,
    (from, end): (Tid, Tid),
    existing: Existing,
) -> Result<Copied, BackfillError> {
    let bounds = [
        (&from.to_string() as _, Type::TEXT),
        (&end.to_string() as _, Type::TEXT),
    ];
    let row = transaction
        .query_opt(&chunk_statement(&job.mapping, existing), &bounds)
        .await?;
    let Some(row) = row else {
        unreachable!("two counts are one row")
    };
    let count = |column| -> Result<u64, QueryError> {
        let count: i64 = row.try_get(column)?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    Ok(Copied {
        inserted: count("inserted")?,
        found: count("found")?,
    })
}

/// Ends a transaction in which something failed, and returns the error that matters.
pub(crate) async fn abandon(
    transaction: Transaction,
    error: impl Into<BackfillError>,
) -> BackfillError {
    transaction.abandon().await;
    error.into()
}

/// Whether another runner's chunk moved the range between its claim and its checkpoint.
pub(crate) fn is_replaced(error: &BackfillError) -> bool {
    matches!(error, BackfillError::State(StateError::RangeReplaced(_)))
}
