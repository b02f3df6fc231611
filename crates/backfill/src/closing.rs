//! The closing pass: looks for rows that chunks skipped because others held them, wherever a chunk
//! did not insert all that it found, until nothing is missing.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use crossfade_dual_write::chunk::{holders_statement, missing_statement};
use crossfade_plan::event::{Event, Wait};
use crossfade_postgres::{ErrorClass, Queries, QueryError, failpoint, rule};
use crossfade_state::{Direction, LeftOut};
use crossfade_throttle::Admission;
use tokio_postgres::types::Type;

use crate::chunk::{abandon, lock_source};
use crate::error::BackfillError;
use crate::isolate;
use crate::job::{Job, chunk_settings};
use crate::progress::Tally;
use crate::tid::Tid;
use crate::worker::{Failures, until_it_works};

/// Rows that one look covers, about.
const ROWS_A_LOOK: f64 = 50_000.0;
/// Missing keys that one look returns at most; more only means another look at the same place.
const KEYS_A_LOOK: u32 = 1000;
/// Backends that are named, at most.
const HOLDERS_TOLD: u32 = 10;
/// Pause between two rounds over places where others still hold rows.
const PAUSE: Duration = Duration::from_millis(100);
/// After so long, the wait for held rows is told.
const TELL_AFTER: Duration = Duration::from_secs(2);

/// How the closing pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nothing is missing but recorded rows.
    Closed {
        /// How many are recorded.
        row_errors: u64,
    },
    /// It was told to stop.
    Stopped,
    /// The table was rewritten: its ranges no longer mean anything.
    Rewritten,
}

/// What a look at one place found.
enum Look {
    /// Nothing is missing, or only what is recorded.
    Complete,
    /// So many rows are missing.
    Missing(usize),
    /// The table was rewritten.
    Rewritten,
}

/// A part of the table that one look covers.
#[derive(Debug, Clone, Copy)]
struct Place {
    filenode: u32,
    from: Tid,
    to: Tid,
}

/// Looks once wherever a chunk left something out, and again wherever something is missing, until
/// nothing is.
///
/// A place that is complete stays so: the triggers see to it.
pub(crate) async fn run(job: &Job, tally: &Tally) -> Result<Closing, BackfillError> {
    failpoint::hit("backfill/closing");
    let Some(left_out) = until_it_works(job, || left_out(job)).await? else {
        return Ok(Closing::Stopped);
    };
    let mut places = if rule::holds("backfill/closing-pass") {
        places(&left_out, tally.rows_per_block())
    } else {
        Vec::new()
    };
    let started = Instant::now();
    let mut told = false;
    loop {
        let mut incomplete = Vec::new();
        let mut missing = 0;
        for place in places {
            match look_until_it_works(job, place).await? {
                None => return Ok(Closing::Stopped),
                Some(Look::Rewritten) => return Ok(Closing::Rewritten),
                Some(Look::Complete) => {}
                Some(Look::Missing(rows)) => {
                    missing += rows;
                    incomplete.push(place);
                }
            }
        }
        if incomplete.is_empty() {
            break;
        }
        places = incomplete;
        if started.elapsed() > job.patience {
            return Err(BackfillError::RowsHeld {
                rows: missing,
                pids: holders(job, &places).await?,
            });
        }
        if !told && started.elapsed() > TELL_AFTER {
            told = true;
            job.events.emit(Event::Waiting(Wait {
                reason: "rows are locked by other transactions".to_owned(),
                metric: None,
                value: Some(format!("{missing} rows")),
                threshold: None,
            }));
        }
        tokio::select! {
            () = job.stop.cancelled() => return Ok(Closing::Stopped),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    if told {
        job.events.emit(Event::Resumed);
    }
    let closed = until_it_works(job, || recorded_rows(job)).await?;
    Ok(
        closed.map_or(Closing::Stopped, |row_errors| Closing::Closed {
            row_errors,
        }),
    )
}

/// Where chunks left something out.
async fn left_out(job: &Job) -> Result<Vec<LeftOut>, BackfillError> {
    let session = job.store.session(&job.tag("closing")).await?;
    Ok(job.store.left_out(&session, job.migration).await?)
}

/// How many rows are recorded as refused.
async fn recorded_rows(job: &Job) -> Result<u64, BackfillError> {
    let session = job.store.session(&job.tag("closing")).await?;
    let rows = job
        .store
        .row_error_count(&session, &job.name, Direction::Forward)
        .await?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// Who holds the rows that are missing in these places, as far as it can be told.
async fn holders(job: &Job, places: &[Place]) -> Result<Vec<i32>, BackfillError> {
    let session = job.store.session(&job.tag("closing")).await?;
    let statement = holders_statement(&job.mapping, HOLDERS_TOLD);
    let mut pids = BTreeSet::new();
    for Place { from, to, .. } in places {
        let bounds = [
            (&from.to_string() as _, Type::TEXT),
            (&to.to_string() as _, Type::TEXT),
        ];
        for row in session.query(&statement, &bounds).await? {
            pids.insert(row.try_get(0).map_err(QueryError::from)?);
        }
        if pids.len() >= HOLDERS_TOLD as usize {
            break;
        }
    }
    Ok(pids.into_iter().collect())
}

/// Divides blocks into places of about as many rows as one look covers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded and positive"
)]
fn places(left_out: &[LeftOut], rows_per_block: f64) -> Vec<Place> {
    let step = (ROWS_A_LOOK / rows_per_block.max(0.1)).clamp(1.0, 100_000.0) as u32;
    let mut places = Vec::new();
    for blocks in left_out {
        let (first, end) = (blocks.first.0, blocks.end.0);
        places.extend((first..end).step_by(step as usize).map(|from| Place {
            filenode: blocks.filenode.0,
            from: Tid::start_of(from),
            to: Tid::start_of(from.saturating_add(step).min(end)),
        }));
    }
    places
}

/// Looks at one place, through passing failures; `None` when told to stop.
async fn look_until_it_works(job: &Job, place: Place) -> Result<Option<Look>, BackfillError> {
    let mut failures = Failures::default();
    loop {
        if job.throttle.admit(&job.stop).await == Admission::Stopped {
            return Ok(None);
        }
        match look(job, place).await {
            Ok(look) => return Ok(Some(look)),
            Err(error) => failures.pause(job, error).await?,
        }
    }
}

/// The keys of the rows that are recorded as refused, one more than the plan allows at most.
async fn recorded_keys(
    job: &Job,
    queries: &impl Queries,
) -> Result<HashSet<Vec<String>>, BackfillError> {
    let most = u32::try_from(job.settings.max_errors)
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let recorded = job
        .store
        .row_errors(queries, &job.name, Direction::Forward, most)
        .await?;
    Ok(recorded.into_iter().map(|row| row.key).collect())
}

/// Looks at one place, and copies what is missing there and free.
async fn look(job: &Job, place: Place) -> Result<Look, BackfillError> {
    let Place { filenode, from, to } = place;
    let settings = chunk_settings();
    let transaction = job
        .store
        .begin_fenced(&job.lease, &job.tag("closing"), &settings)
        .await?;
    let found = async {
        if !lock_source(job, &transaction, filenode).await? {
            return Ok(None);
        }
        let recorded = recorded_keys(job, &transaction).await?;
        // Recorded rows are missing too: they must not use up what a look returns, or the others
        // behind them would pass for nothing.
        let most = u32::try_from(recorded.len()).unwrap_or(u32::MAX);
        let rows = transaction
            .query(
                &missing_statement(&job.mapping, KEYS_A_LOOK.saturating_add(most)),
                &[
                    (&from.to_string(), Type::TEXT),
                    (&to.to_string(), Type::TEXT),
                ],
            )
            .await?;
        let keys: Result<Vec<Vec<String>>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let keys = keys.map_err(QueryError::from)?;
        Ok::<_, BackfillError>(Some(
            keys.iter().filter(|key| !recorded.contains(*key)).count(),
        ))
    };
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return Err(abandon(transaction, error).await),
    };
    transaction.rollback().await?;
    match found {
        None => return Ok(Look::Rewritten),
        Some(0) => return Ok(Look::Complete),
        Some(_) => {}
    }
    failpoint::hit("backfill/missing-found");
    match isolate::copy_piece(job, filenode, (from, to)).await {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(Look::Rewritten),
        Err(error) if error.class() == ErrorClass::Row => {
            isolate::copy_around_refused(job, filenode, (from, to)).await?;
        }
        Err(error) => return Err(error),
    }
    Ok(Look::Missing(found.unwrap_or(0)))
}
