//! A worker of the full comparison: one chunk after the other, each sized by how long they take.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossfade_postgres::{Joins, Queries, Transaction, retry};
use crossfade_state::{Side, VerificationId};
use crossfade_throttle::ChunkSize;

use crate::compare::{self, Found};
use crate::error::VerifyError;
use crate::interval::Interval;
use crate::job::Job;
use crate::pace::{Compared, Pace, Permission};
use crate::queue::Queue;
use crate::read::settled;
use crate::sides::Sides;

/// A chunk has an index on both sides, or is the whole table: reading all of a table for each
/// chunk, as the server may choose without good statistics, is never right.
const CHUNK_PLANS: &str = "select pg_catalog.set_config('enable_seqscan', 'off', true), \
     pg_catalog.set_config('jit', 'off', true)";

/// What one attempt at the next chunk came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Compared,
    NothingLeft,
    Stopped,
}

/// The running comparison, shared by its workers.
pub(crate) struct Pass<'a, P> {
    pub(crate) job: &'a Job<P>,
    pub(crate) sides: &'a Sides,
    pub(crate) id: VerificationId,
    pub(crate) queue: Queue,
    pub(crate) found: &'a Mutex<Found>,
}

impl<P: Pace> Pass<'_, P> {
    /// Compares one chunk after the other until nothing is left.
    pub(crate) async fn work(&self, side: Side) -> Result<Step, VerifyError> {
        let settings = &self.job.settings;
        // The size counts rows: a "block" of one row each.
        let rows = ChunkSize::new(settings.chunk_time, settings.chunk_rows, 1.0);
        let limits = Mutex::new((rows, settings.chunk_timeout));
        let locked = || limits.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let outcome = retry(
                settings.retry,
                || {
                    let (rows, timeout) = {
                        let limits = locked();
                        (limits.0.blocks(), limits.1)
                    };
                    self.step(side, rows, timeout)
                },
                |error| {
                    // Half as many rows, and more time for an interval that has no boundary left
                    // to be cut at: the target may have any number of rows too many in it.
                    let mut limits = locked();
                    limits.0.halve();
                    limits.1 = (limits.1 * 2).min(settings.table_timeout);
                    error.passes()
                },
                |error, pause| tracing::debug!(error = %error, ?pause, "a chunk is compared again"),
            )
            .await;
            match settled(outcome)? {
                (Step::Compared, rows, found) => {
                    let mut limits = locked();
                    // Server time by source rows; what an interval had in the target came with it.
                    limits.0.record(rows, u64::from(rows), found.took);
                    limits.1 = settings.chunk_timeout;
                    drop(limits);
                    self.job.pace.compared(&Compared::from(&found));
                }
                (step, ..) => return Ok(step),
            }
        }
    }

    /// Takes an interval, compares it, and records it.
    async fn step(
        &self,
        side: Side,
        rows: u32,
        timeout: Duration,
    ) -> Result<(Step, u32, Found), VerifyError> {
        if self.job.pace.ready().await == Permission::Stop {
            return Ok((Step::Stopped, 0, Found::default()));
        }
        let joins = match side {
            // The target is looked up by its key, row by row.
            Side::Source => Joins::NestedLoop,
            Side::Both | Side::Target => Joins::Any,
        };
        let transaction = self
            .job
            .store
            .database()
            .begin(&self.job.tag("verify"), &self.job.reading(joins, timeout))
            .await?;
        transaction.query(CHUNK_PLANS, &[]).await?;
        let Some(interval) = self.queue.take(&transaction, self.sides, rows).await? else {
            transaction.rollback().await?;
            return Ok((Step::NothingLeft, 0, Found::default()));
        };
        match self.compare_and_record(transaction, side, &interval).await {
            Ok(found) => {
                let rows = u32::try_from(found.source_rows).unwrap_or(rows).max(1);
                let mut sum = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                sum.add(&found);
                Ok((Step::Compared, rows, found))
            }
            Err(error) => {
                self.queue.give_back(interval).await;
                Err(error)
            }
        }
    }

    async fn compare_and_record(
        &self,
        transaction: Transaction,
        side: Side,
        interval: &Interval,
    ) -> Result<Found, VerifyError> {
        let limit = self.job.settings.mismatches;
        let mut found = compare::interval(&transaction, self.sides, interval, limit).await?;
        if side == Side::Source {
            // Partners that were looked up: the pass over the target counts its rows.
            found.target_rows = 0;
        }
        transaction.rollback().await?;
        self.job.record(self.id, side, interval, &found).await?;
        Ok(found)
    }
}
