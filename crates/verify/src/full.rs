//! The full comparison: every row, interval by interval, by several workers, and on after a stop.

use std::sync::{Mutex, PoisonError};

use crossfade_plan::file::Invariant;
use crossfade_postgres::{Joins, rule};
use crossfade_state::{Side, Verdict, VerificationId};
use futures_util::future::try_join_all;

use crate::compare::Found;
use crate::error::VerifyError;
use crate::interval::{Interval, tiles};
use crate::job::Job;
use crate::pace::{Compared, Pace, Permission};
use crate::queue::Queue;
use crate::report::{Reason, Report};
use crate::sides::{Alignment, Sides};
use crate::statement::Statement;
use crate::worker::{Pass, Step};

impl<P: Pace> Job<P> {
    /// Compares every row. With `fresh` false it goes on with a verification of this kind that was
    /// stopped: for the caller to say, who knows whether the triggers were there all the time.
    ///
    /// The verdict is for the caller to record, with the stage that follows from it
    /// ([`Report::result`]).
    pub async fn full(
        &self,
        fresh: bool,
        invariants: &[Invariant],
        search_path: &str,
    ) -> Result<Report, VerifyError> {
        let sides = self.sides().await?;
        let mut report = self.resume_or_begin(&sides, fresh).await?;
        let id = report.verification;
        let counted = Mutex::new(Found::default());
        // Dropping what is under way cancels its statements; what was recorded stays.
        let compared = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(Step::Stopped),
            compared = Box::pin(self.compare_all(&sides, id, &counted)) => compared,
        };
        report.count(&counted.into_inner().unwrap_or_else(PoisonError::into_inner));
        match compared {
            Ok(Step::Stopped) => report.reasons.push(Reason::Stopped),
            Ok(_) => {
                self.check_coverage(&sides, &mut report).await?;
                self.check_invariants(&mut report, invariants, search_path)
                    .await?;
            }
            Err(error) => match error.refused_value() {
                Some(sqlstate) => report.reasons.push(Reason::Unmappable { sqlstate }),
                None => return Err(error),
            },
        }
        report.judge(Verdict::Exact);
        Ok(report)
    }

    /// Compares whatever is not recorded yet.
    async fn compare_all(
        &self,
        sides: &Sides,
        id: VerificationId,
        counted: &Mutex<Found>,
    ) -> Result<Step, VerifyError> {
        let (walked, whole) = match sides.alignment {
            Alignment::Together => (Side::Both, None),
            Alignment::Apart => (Side::Source, Some(Side::Target)),
        };
        let done = self.recorded(id, walked).await?;
        let pass = Pass {
            job: self,
            sides,
            id,
            queue: Queue::new(self.left(sides, &done).await?),
            found: counted,
        };
        let workers = (0..self.settings.workers.max(1)).map(|_| pass.work(walked));
        if try_join_all(workers).await?.contains(&Step::Stopped) {
            return Ok(Step::Stopped);
        }
        if let Some(side) = whole
            && self.recorded(id, side).await?.is_empty()
        {
            if self.pace.ready().await == Permission::Stop {
                return Ok(Step::Stopped);
            }
            let statement = Statement::new(sides.all_extra());
            let timeout = self.settings.table_timeout;
            let found = self.compare(&statement, Joins::Any, timeout).await?;
            self.record(id, side, &Interval::ALL, &found).await?;
            self.pace.compared(&Compared::from(&found));
            counted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(&found);
        }
        Ok(Step::NothingLeft)
    }

    /// Whether all that was recorded, by this run or an earlier one, covers every key, and whether
    /// anything was read at all.
    async fn check_coverage(&self, sides: &Sides, report: &mut Report) -> Result<(), VerifyError> {
        let needed: &[Side] = match sides.alignment {
            Alignment::Together => &[Side::Both],
            Alignment::Apart => &[Side::Source, Side::Target],
        };
        for side in needed {
            let recorded = self.recorded(report.verification, *side).await?;
            if !tiles(&recorded) && rule::holds("verify/tiles") {
                report.reasons.push(Reason::NotTiled);
                return Ok(());
            }
        }
        if report.source_rows == 0 && report.target_rows == 0 {
            let transaction = self.begin_reading().await?;
            let empty = sides.are_empty(&transaction).await?;
            transaction.rollback().await?;
            if !empty {
                report.reasons.push(Reason::ReadNothing);
            }
        }
        Ok(())
    }
}
