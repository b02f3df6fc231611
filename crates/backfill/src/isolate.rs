//! Finds the rows of a chunk that cannot be mapped, records them, and copies the others.

use crossfade_dual_write::chunk::{Existing, key_at_statement};
use crossfade_plan::event::Event;
use crossfade_postgres::{ErrorClass, Queries, rule};
use crossfade_state::{BlockNumber, Checkpoint, Direction, NewRowError, Range};
use tokio_postgres::types::Type;

use crate::chunk::{abandon, copy_rows, lock_source};
use crate::error::BackfillError;
use crate::job::{Job, chunk_settings};
use crate::tid::Tid;
use crate::worker::Failures;

/// Copies the blocks from the range's position to `end`, each row that can be, and moves the range
/// on.
pub(crate) async fn run(job: &Job, range: &Range, end: BlockNumber) -> Result<(), BackfillError> {
    let place = (Tid::start_of(range.position.0), Tid::start_of(end.0));
    match copy_around_refused(job, range.filenode.0, place).await? {
        Isolation::Done { copied } => move_on(job, range, end, copied).await,
        // The range stays where it was: the next claim finds out what is the matter.
        Isolation::Abandoned => Ok(()),
    }
}

/// Whether every piece was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Each row was copied, skipped as held by others, or recorded.
    Done {
        /// Rows that were copied.
        copied: u64,
    },
    /// It was told to stop, or the table was rewritten.
    Abandoned,
}

/// Halves a place until each piece is copied or is a single row, which is recorded.
///
/// Each piece is a transaction of its own, without a checkpoint: dying in between does it again,
/// and copies nothing twice.
pub(crate) async fn copy_around_refused(
    job: &Job,
    filenode: u32,
    place: (Tid, Tid),
) -> Result<Isolation, BackfillError> {
    let mut pieces = vec![place];
    let mut failures = Failures::default();
    let mut copied = 0;
    while let Some((from, to)) = pieces.pop() {
        if job.stop.is_cancelled() {
            return Ok(Isolation::Abandoned);
        }
        match copy_piece(job, filenode, (from, to)).await {
            Ok(Some(rows)) => {
                failures.clear();
                copied += rows;
            }
            Ok(None) => return Ok(Isolation::Abandoned),
            Err(error) if error.class() == ErrorClass::Row => match from.middle(to) {
                Some(middle) => pieces.extend([(middle, to), (from, middle)]),
                None => record(job, filenode, from, &error).await?,
            },
            Err(error) => {
                pieces.push((from, to));
                failures.pause(job, error).await?;
            }
        }
    }
    Ok(Isolation::Done { copied })
}

/// Copies one piece and returns how many rows of it; `None` where the table was rewritten.
pub(crate) async fn copy_piece(
    job: &Job,
    filenode: u32,
    bounds: (Tid, Tid),
) -> Result<Option<u64>, BackfillError> {
    let settings = chunk_settings();
    let transaction = job
        .store
        .begin_fenced(&job.lease, &job.tag("piece"), &settings)
        .await?;
    let copied = async {
        if !lock_source(job, &transaction, filenode).await? {
            return Ok::<_, BackfillError>(None);
        }
        let copied = copy_rows(job, &transaction, bounds, Existing::Kept).await?;
        Ok(Some(copied.inserted))
    };
    match copied.await {
        Ok(Some(rows)) => {
            transaction.commit().await?;
            Ok(Some(rows))
        }
        Ok(None) => {
            transaction.rollback().await?;
            Ok(None)
        }
        Err(error) => Err(abandon(transaction, error).await),
    }
}

/// Records the row at a tuple id, unless it is gone: whoever changed it fired the trigger.
async fn record(
    job: &Job,
    filenode: u32,
    at: Tid,
    error: &BackfillError,
) -> Result<(), BackfillError> {
    let Some(query_error) = error.query() else {
        return Ok(());
    };
    let sqlstate = query_error
        .sqlstate()
        .map_or("", |state| state.code())
        .to_owned();
    // `at` may stand before the tuple: a piece of one tuple begins at its line pointer or at 0.
    let tuple = Tid {
        block: at.block,
        line: at.line.max(1),
    };
    let settings = chunk_settings();
    let transaction = job
        .store
        .begin_fenced(&job.lease, &job.tag("row-error"), &settings)
        .await?;
    let recorded = async {
        if !lock_source(job, &transaction, filenode).await? {
            return Ok::<_, BackfillError>(None);
        }
        let row = transaction
            .query_opt(
                &key_at_statement(&job.mapping),
                &[(&tuple.to_string(), Type::TEXT)],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key: Vec<String> = row
            .try_get("key")
            .map_err(crossfade_postgres::QueryError::from)?;
        let new = NewRowError {
            key: &key,
            sqlstate: &sqlstate,
            column: query_error.column(),
            constraint: query_error.constraint(),
        };
        let is_new = job
            .store
            .record_row_error(&transaction, &job.name, Direction::Forward, new)
            .await?;
        let found = job
            .store
            .row_error_count(&transaction, &job.name, Direction::Forward)
            .await?;
        Ok(Some((key, found, is_new)))
    };
    let recorded = match recorded.await {
        Ok(recorded) => recorded,
        Err(error) => return Err(abandon(transaction, error).await),
    };
    transaction.commit().await?;
    let Some((key, found, is_new)) = recorded else {
        return Ok(());
    };
    // Another worker may have come to the same row.
    if is_new {
        job.events.emit(Event::RowError { key, sqlstate });
    }
    let found = u64::try_from(found).unwrap_or(u64::MAX);
    if found > job.settings.max_errors && rule::holds("backfill/max-errors") {
        return Err(BackfillError::TooManyRowErrors {
            found,
            allowed: job.settings.max_errors,
        });
    }
    Ok(())
}

/// Moves the range on, if it still stands where it did.
async fn move_on(
    job: &Job,
    range: &Range,
    end: BlockNumber,
    copied: u64,
) -> Result<(), BackfillError> {
    let settings = chunk_settings();
    let transaction = job
        .store
        .begin_fenced(&job.lease, &job.tag("move-on"), &settings)
        .await?;
    let moved = async {
        let claimed = job
            .store
            .claim_range(&transaction, job.migration, Some(range.id))
            .await?;
        match claimed {
            Some(claimed) if claimed.id == range.id && claimed.position == range.position => {
                let checkpoint = Checkpoint {
                    position: end,
                    rows: copied,
                    complete: false,
                };
                job.store
                    .checkpoint(&transaction, &claimed, checkpoint)
                    .await?;
                Ok::<_, BackfillError>(())
            }
            // Another worker has it meanwhile, and comes to the same rows.
            _ => Ok(()),
        }
    };
    match moved.await {
        Ok(()) => {
            transaction.commit().await?;
            Ok(())
        }
        Err(error) => Err(abandon(transaction, error).await),
    }
}
