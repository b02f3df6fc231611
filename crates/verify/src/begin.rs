//! Beginning: what every verification does first.

use crossfade_postgres::{Joins, Transaction, rule};
use crossfade_state::{Mode, Verdict};
use jiff::Timestamp;

use crate::error::VerifyError;
use crate::job::{Job, recording};
use crate::report::Report;
use crate::sides::Sides;

impl<P: Sync> Job<P> {
    /// Reads the catalogs under the pinned settings.
    pub(crate) async fn sides(&self) -> Result<Sides, VerifyError> {
        let transaction = self.begin_reading().await?;
        let sides = Sides::read(&transaction, &self.mapping).await?;
        transaction.rollback().await?;
        Ok(sides)
    }

    /// Records that a verification begins.
    pub(crate) async fn begin(&self, sides: &Sides, mode: Mode) -> Result<Report, VerifyError> {
        self.refuse_row_errors().await?;
        let transaction = self
            .store
            .begin_fenced(&self.lease, &self.tag("verify"), &recording())
            .await?;
        let migration = self.lease.migration();
        let id = self
            .store
            .begin_verification(&transaction, migration, mode, self.direction)
            .await?;
        let verification = self.store.verification(&transaction, id).await?;
        transaction.commit().await?;
        let verification = verification.expect("it was recorded by this transaction");
        Ok(self.report(sides, &verification))
    }

    pub(crate) async fn refuse_row_errors(&self) -> Result<(), VerifyError> {
        let session = self.store.session(&self.tag("verify")).await?;
        let count = self
            .store
            .row_error_count(&session, &self.name, self.direction)
            .await?;
        if count > 0 && rule::holds("verify/no-row-errors") {
            return Err(VerifyError::RowErrors { count });
        }
        Ok(())
    }

    pub(crate) fn report(
        &self,
        sides: &Sides,
        verification: &crossfade_state::Verification,
    ) -> Report {
        Report {
            verification: verification.id,
            verdict: Verdict::Inconclusive,
            mode: verification.mode,
            direction: self.direction,
            started_at: verification.started_at,
            finished_at: Timestamp::now(),
            snapshot: verification.snapshot.clone(),
            source_rows: 0,
            target_rows: 0,
            differences: 0,
            missing: 0,
            different: 0,
            extra: 0,
            presence_only: sides.presence_only(),
            not_compared: sides.not_compared.clone(),
            bound: None,
            invariants: Vec::new(),
            reasons: Vec::new(),
        }
    }

    pub(crate) async fn begin_reading(&self) -> Result<Transaction, VerifyError> {
        let settings = self.reading(Joins::Any, self.settings.chunk_timeout);
        Ok(self
            .store
            .database()
            .begin(&self.tag("verify"), &settings)
            .await?)
    }
}
