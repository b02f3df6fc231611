//! Counts: the numbers of rows, both in one statement.

use crossfade_dual_write::sql;
use crossfade_plan::file::Invariant;
use crossfade_postgres::Joins;
use crossfade_state::{Mode, Verdict};

use crate::error::VerifyError;
use crate::job::Job;
use crate::report::{Reason, Report};
use crate::sides::Sides;
use crate::statement::Statement;

impl<P: Sync> Job<P> {
    /// Compares the numbers of rows. Equal numbers prove little: two changes may cancel out.
    pub async fn counts(
        &self,
        invariants: &[Invariant],
        search_path: &str,
    ) -> Result<Report, VerifyError> {
        let sides = self.sides().await?;
        let mut report = self.begin(&sides, Mode::Counts).await?;
        let statement = Statement::new(counts(&sides));
        // Dropping it cancels the statement.
        tokio::select! {
            biased;
            () = self.stop.cancelled() => report.reasons.push(Reason::Stopped),
            found = self.compare(&statement, Joins::Any, self.settings.table_timeout) => {
                report.count(&found?);
            }
        }
        self.check_invariants(&mut report, invariants, search_path)
            .await?;
        report.judge(Verdict::Counted);
        Ok(report)
    }
}

/// Two subqueries of one statement read one snapshot.
fn counts(sides: &Sides) -> String {
    format!(
        "select source_rows, target_rows, greatest(source_rows - target_rows, 0) as missing, \
                greatest(target_rows - source_rows, 0) as extra, \
                pg_catalog.abs(source_rows - target_rows) as differences, '[]'::jsonb as found \
           from (select (select pg_catalog.count(*) from {}) as source_rows, \
                        (select pg_catalog.count(*) from {}) as target_rows) as counted \
          where $1::bigint is not null",
        sql::only(&sides.mapping.source, sql::SOURCE_ALIAS),
        sql::only(&sides.mapping.target, sql::TARGET_ALIAS),
    )
}
