//! Reading: one comparison in a transaction of its own, again after a passing failure.

use std::time::Duration;

use crossfade_postgres::{Joins, RetryOutcome, retry};

use crate::compare::{self, Found};
use crate::error::VerifyError;
use crate::job::Job;
use crate::statement::Statement;

impl<P: Sync> Job<P> {
    /// Runs one comparison, with retries.
    pub(crate) async fn compare(
        &self,
        statement: &Statement,
        joins: Joins,
        timeout: Duration,
    ) -> Result<Found, VerifyError> {
        let outcome = retry(
            self.settings.retry,
            || self.compare_once(statement, joins, timeout),
            VerifyError::passes,
            |error, pause| tracing::debug!(error = %error, ?pause, "a comparison is run again"),
        )
        .await;
        settled(outcome)
    }

    async fn compare_once(
        &self,
        statement: &Statement,
        joins: Joins,
        timeout: Duration,
    ) -> Result<Found, VerifyError> {
        let transaction = self
            .store
            .database()
            .begin(&self.tag("verify"), &self.reading(joins, timeout))
            .await?;
        let found = compare::run(&transaction, statement, self.settings.mismatches).await?;
        transaction.rollback().await?;
        Ok(found)
    }
}

/// What became of work that was retried.
pub(crate) fn settled<T>(outcome: RetryOutcome<T, VerifyError>) -> Result<T, VerifyError> {
    match outcome {
        RetryOutcome::Done { value, .. } => Ok(value),
        RetryOutcome::Failed(error) => Err(error),
        RetryOutcome::GaveUp { error, attempts } => Err(VerifyError::GaveUp {
            attempts,
            last: Box::new(error),
        }),
    }
}
