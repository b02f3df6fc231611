//! Rows that were refused once: tried again at the start of each run.

use crossfade_dual_write::rederive::rederive_statement;
use crossfade_postgres::{ErrorClass, Joins, Param, Queries, TransactionSettings, rule};
use crossfade_state::{Direction, RowError};
use tokio_postgres::types::Type;

use crate::chunk::{abandon, source_first};
use crate::error::BackfillError;
use crate::job::{Job, chunk_settings};
use crate::worker::{Failures, until_it_works};

/// Rows that are tried again in one run.
const MOST: u32 = 100_000;

/// Tries every recorded row again; those that fit now, or are gone, are forgotten.
pub(crate) async fn retry_recorded(job: &Job) -> Result<(), BackfillError> {
    if !rule::holds("backfill/refused-again") {
        return Ok(());
    }
    let Some(recorded) = until_it_works(job, || recorded(job)).await? else {
        return Ok(());
    };
    let statement = rederive_statement(&job.mapping);
    for row_error in recorded {
        let mut failures = Failures::default();
        loop {
            if job.stop.is_cancelled() {
                return Ok(());
            }
            match retry_one(job, &statement, &row_error).await {
                Ok(()) => break,
                // Refused again: its record stays.
                Err(error) if error.class() == ErrorClass::Row => break,
                Err(error) => failures.pause(job, error).await?,
            }
        }
    }
    Ok(())
}

async fn recorded(job: &Job) -> Result<Vec<RowError>, BackfillError> {
    let session = job.store.session(&job.tag("row-errors")).await?;
    Ok(job
        .store
        .row_errors(&session, &job.name, Direction::Forward, MOST)
        .await?)
}

/// Makes the target's row what the source's row is, and forgets the record, in one transaction.
///
/// Only the record that was read: where the source has no such row, nothing is locked, and a
/// trigger may refuse a new one meanwhile.
async fn retry_one(job: &Job, statement: &str, row: &RowError) -> Result<(), BackfillError> {
    let settings = TransactionSettings {
        joins: Joins::Any,
        ..chunk_settings()
    };
    let transaction = job
        .store
        .begin_fenced(&job.lease, &job.tag("row-errors"), &settings)
        .await?;
    let params: Vec<Param<'_>> = row
        .key
        .iter()
        .map(|part| {
            (
                part as &(dyn tokio_postgres::types::ToSql + Sync),
                Type::TEXT,
            )
        })
        .collect();
    let work = async {
        source_first(job, &transaction).await?;
        transaction.execute(statement, &params).await?;
        job.store
            .clear_row_error(&transaction, &job.name, Direction::Forward, row)
            .await?;
        Ok::<_, BackfillError>(())
    };
    match work.await {
        Ok(()) => {
            transaction.commit().await?;
            Ok(())
        }
        Err(error) => Err(abandon(transaction, error).await),
    }
}
