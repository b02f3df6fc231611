//! The plan's invariants: queries that must return no row.

use crossfade_plan::file::Invariant;
use crossfade_postgres::{Joins, Mode, Queries, TransactionSettings};
use tokio_postgres::types::Type;

use crate::error::VerifyError;
use crate::job::Job;
use crate::report::{InvariantResult, Reason, Report};

/// Rows that are counted at most: one is enough to be wrong.
const MOST_ROWS: i64 = 1000;

impl<P: Sync> Job<P> {
    /// Runs the invariants, each read only, on a snapshot and within a time of its own. Their
    /// names are looked up by `search_path`, as the plan resolved it. A stop ends it: the report
    /// then says so.
    pub(crate) async fn check_invariants(
        &self,
        report: &mut Report,
        invariants: &[Invariant],
        search_path: &str,
    ) -> Result<(), VerifyError> {
        if report.is_stopped() {
            return Ok(());
        }
        let mut results = Vec::new();
        for invariant in invariants {
            // Dropping it cancels the query.
            let counted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                counted = self.count_rows(invariant, search_path) => counted,
            };
            let (rows, sqlstate) = match counted {
                Ok(rows) => (Some(rows), None),
                // The query's own failure is a finding; a lost connection is not.
                Err(VerifyError::Query(error)) if error.sqlstate().is_some() => {
                    (None, error.sqlstate().map(|state| state.code().to_owned()))
                }
                Err(error) => return Err(error),
            };
            results.push(InvariantResult {
                name: invariant.name.clone(),
                rows,
                sqlstate,
            });
        }
        if results.len() < invariants.len() {
            report.reasons.push(Reason::Stopped);
        }
        report.invariants = results;
        Ok(())
    }

    async fn count_rows(
        &self,
        invariant: &Invariant,
        search_path: &str,
    ) -> Result<i64, VerifyError> {
        let settings = TransactionSettings {
            mode: Mode::Snapshot,
            ..self.reading(Joins::Any, self.settings.table_timeout)
        };
        let transaction = self
            .store
            .database()
            .begin(&self.tag("verify"), &settings)
            .await?;
        transaction.set_local("search_path", search_path).await?;
        // On lines of its own: it may end in a comment.
        let sql = format!(
            "select pg_catalog.count(*) from (select from (\n{}\n) as invariant limit $1) as counted",
            invariant.sql
        );
        let row = transaction
            .query_opt(&sql, &[(&MOST_ROWS, Type::INT8)])
            .await?;
        let rows = row
            .expect("an aggregate without grouping returns one row")
            .try_get(0)?;
        transaction.rollback().await?;
        Ok(rows)
    }
}
