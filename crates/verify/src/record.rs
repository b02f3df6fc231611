//! Recording: what a chunk has found, under the lease, interval and mismatches together.

use crossfade_postgres::{ErrorClass, retry};
use crossfade_state::{Side, StateError, VerificationId, VerifiedInterval};

use crate::compare::Found;
use crate::error::VerifyError;
use crate::interval::Interval;
use crate::job::{Job, recording};
use crate::read::settled;

impl<P: Sync> Job<P> {
    /// Records that an interval was compared.
    pub(crate) async fn record(
        &self,
        id: VerificationId,
        side: Side,
        interval: &Interval,
        found: &Found,
    ) -> Result<(), VerifyError> {
        let verified = VerifiedInterval {
            side,
            lower: interval.lower.clone(),
            upper: interval.upper.clone(),
            source_rows: found.source_rows,
            target_rows: found.target_rows,
            differences: found.differences,
        };
        let doubtful = std::sync::atomic::AtomicBool::new(false);
        let outcome = retry(
            self.settings.retry,
            || async {
                // After an answer that never came: recorded twice, the intervals would no longer
                // be a chain.
                if doubtful.load(std::sync::atomic::Ordering::Relaxed)
                    && self.is_recorded(id, &verified).await?
                {
                    return Ok(());
                }
                self.record_once(id, &verified, found).await
            },
            |error: &VerifyError| {
                if error.class() == ErrorClass::Reconnect {
                    doubtful.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                error.passes()
            },
            |error, pause| tracing::debug!(error = %error, ?pause, "an interval is recorded again"),
        )
        .await;
        settled(outcome)
    }

    async fn record_once(
        &self,
        id: VerificationId,
        verified: &VerifiedInterval,
        found: &Found,
    ) -> Result<(), VerifyError> {
        let transaction = self
            .store
            .begin_fenced(&self.lease, &self.tag("verify"), &recording())
            .await?;
        let migration = self.lease.migration();
        self.store
            .add_interval(&transaction, migration, id, verified)
            .await?;
        self.store
            .add_mismatches(&transaction, id, &found.mismatches)
            .await?;
        crossfade_postgres::failpoint::hit("verify/before-record");
        transaction.commit().await?;
        crossfade_postgres::failpoint::hit("verify/after-record");
        Ok(())
    }

    async fn is_recorded(
        &self,
        id: VerificationId,
        verified: &VerifiedInterval,
    ) -> Result<bool, StateError> {
        let session = self.store.session(&self.tag("verify")).await?;
        let recorded = self.store.intervals(&session, id).await?;
        Ok(recorded
            .iter()
            .any(|one| one.side == verified.side && one.lower == verified.lower))
    }
}
