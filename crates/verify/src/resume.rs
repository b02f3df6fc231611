//! Going on with a verification that was stopped: what is recorded, and what is left.

use crossfade_postgres::Queries;
use crossfade_state::{MismatchKind, Mode, Side, VerificationId};
use tokio_postgres::types::{Json, Type};

use crate::error::VerifyError;
use crate::interval::{Interval, gaps, segments};
use crate::job::Job;
use crate::report::Report;
use crate::sides::Sides;

impl<P: Sync> Job<P> {
    pub(crate) async fn recorded(
        &self,
        id: VerificationId,
        side: Side,
    ) -> Result<Vec<Interval>, VerifyError> {
        let session = self.store.session(&self.tag("verify")).await?;
        let intervals = self.store.intervals(&session, id).await?;
        Ok(intervals
            .iter()
            .filter(|one| one.side == side)
            .map(Interval::from)
            .collect())
    }

    /// What the recorded intervals leave over. Only the server knows the order of keys.
    pub(crate) async fn left(
        &self,
        sides: &Sides,
        done: &[Interval],
    ) -> Result<Vec<Interval>, VerifyError> {
        let Some(mut segments) = segments(done) else {
            return Ok(Vec::new());
        };
        let lowers: Vec<_> = segments
            .iter()
            .filter_map(|one| one.lower.clone())
            .collect();
        let transaction = self.begin_reading().await?;
        let rows = transaction
            .query(&sides.sort_keys(), &[(&Json(&lowers), Type::JSONB)])
            .await?;
        transaction.rollback().await?;
        let mut sorted: Vec<Interval> = Vec::new();
        if let Some(first) = segments.iter().position(|one| one.lower.is_none()) {
            sorted.push(segments.remove(first));
        }
        for row in &rows {
            let place: i64 = row.try_get("place")?;
            let at = usize::try_from(place - 1).unwrap_or(usize::MAX);
            sorted.extend(segments.get(at).cloned());
        }
        // Taken from the end: the lowest keys first.
        let mut left = gaps(&sorted);
        left.reverse();
        Ok(left)
    }

    /// A verification that was cut off and may be gone on with, or a new one. Refused while rows
    /// are recorded that the mirror refused: those are known to be missing.
    pub(crate) async fn resume_or_begin(
        &self,
        sides: &Sides,
        fresh: bool,
    ) -> Result<Report, VerifyError> {
        if fresh {
            return self.begin(sides, Mode::Full).await;
        }
        self.refuse_row_errors().await?;
        let session = self.store.session(&self.tag("verify")).await?;
        let unfinished = self
            .store
            .unfinished_verification(&session, self.lease.migration(), Mode::Full, self.direction)
            .await?;
        drop(session);
        let Some(verification) = unfinished else {
            return self.begin(sides, Mode::Full).await;
        };
        let mut report = self.report(sides, &verification);
        let session = self.store.session(&self.tag("verify")).await?;
        for interval in self.store.intervals(&session, verification.id).await? {
            report.source_rows += interval.source_rows;
            report.target_rows += interval.target_rows;
            report.differences += interval.differences;
        }
        for mismatch in self
            .store
            .mismatches(&session, verification.id, u32::MAX)
            .await?
        {
            *match mismatch.kind {
                MismatchKind::Missing => &mut report.missing,
                MismatchKind::Different => &mut report.different,
                MismatchKind::Extra => &mut report.extra,
            } += 1;
        }
        Ok(report)
    }
}
