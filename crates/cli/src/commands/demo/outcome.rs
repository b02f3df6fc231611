//! The report at the end, and what it means.

use std::fmt::Write as _;

use crossfade_observe::quantity;
use crossfade_sandbox::oracle::OracleError;
use crossfade_sandbox::workload::WorkloadReport;

use crate::error::{Code, Failure};
use crate::exit::Exit;

use super::forward::Up;
use super::measure::rounded;
use super::way_back::Back;

/// How many keys and failed statements are named; the rest is counted.
const NAMED: usize = 5;

/// The verdict that says that every row is the same.
const EXACT: &str = "exact";

/// What was measured.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The application before the migration.
    pub(super) alone: WorkloadReport,
    pub(super) up: Up,
    pub(super) back: Back,
}

impl Outcome {
    /// A table of two columns.
    pub(super) fn text(&self) -> String {
        let Self { alone, up, back } = self;
        let application = &back.application;
        let failed = application.failures_total + alone.failures_total;
        let count = quantity::count;
        let lines = [
            (
                "rows copied",
                format!("{} in {:.1} s", count(up.rows_copied), up.copy_seconds),
            ),
            (
                "rate of the copy",
                format!("{} rows/s", count(rounded(up.rows_copied, up.copy_seconds))),
            ),
            (
                "killed with -9",
                format!("once, after {} rows; resumed", count(up.rows_at_kill)),
            ),
            (
                "verdict",
                format!(
                    "{}: {} rows compared, {} differences",
                    up.verdict.word,
                    count(up.verdict.rows),
                    count(up.verdict.differences)
                ),
            ),
            (
                "locks held, cutover",
                format!("{:.1} ms at most", up.swap_ms),
            ),
            (
                "locks held, rollback",
                format!("{:.1} ms at most", back.swap_ms),
            ),
            (
                "application",
                format!(
                    "{} transactions, {} statements",
                    count(application.commits),
                    count(application.latency.statements)
                ),
            ),
            ("failed statements", count(failed)),
            (
                "longest statement",
                format!(
                    "{} (before the migration: {})",
                    quantity::milliseconds(application.latency.max_us),
                    quantity::milliseconds(alone.latency.max_us)
                ),
            ),
            (
                "transactions a second",
                format!(
                    "{} before the migration",
                    count(rounded(alone.commits, alone.seconds))
                ),
            ),
            (
                "",
                format!("{} during the copy", count(up.during_copy.per_second())),
            ),
            (
                "",
                format!("{} after the cutover", count(up.after_swap.per_second())),
            ),
            ("lost writes", self.lost()),
        ];
        let mut text = "What was measured\n".to_owned();
        for (label, value) in lines {
            let _ = writeln!(text, "  {label:<23}{value}");
        }
        text
    }

    fn lost(&self) -> String {
        match &self.back.compared {
            Ok(rows) => {
                let rows = u64::try_from(*rows).unwrap_or_default();
                format!("0 ({} rows compared)", quantity::count(rows))
            }
            Err(OracleError::Differ(found)) => {
                format!("{} rows missing, {} extra", found.missing, found.extra)
            }
            Err(_) => "unknown".to_owned(),
        }
    }

    /// How the demo ends: what is wrong is an error, by name.
    pub(super) fn judge(&self) -> Result<Exit, Failure> {
        let wrong = self.wrong();
        if wrong.is_empty() {
            Ok(Exit::Done)
        } else {
            Err(Failure::new(Code::DemoLoss, wrong.join("; ")))
        }
    }

    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let application = &self.back.application;
        match &self.back.compared {
            Ok(_) => {}
            Err(OracleError::Differ(found)) => {
                let keys = |keys: &[String]| keys[..keys.len().min(NAMED)].join(", ");
                if found.missing > 0 {
                    let first = keys(&found.missing_keys);
                    wrong.push(format!("{} rows are missing (ids {first})", found.missing));
                }
                if found.extra > 0 {
                    let first = keys(&found.extra_keys);
                    wrong.push(format!("{} rows are extra (ids {first})", found.extra));
                }
            }
            Err(error) => wrong.push(error.to_string()),
        }
        let failed = application.failures_total + self.alone.failures_total;
        if failed > 0 {
            wrong.push(format!("{failed} statements of the application failed"));
        }
        let failures = self.alone.failures.iter().chain(&application.failures);
        for failure in failures.take(NAMED) {
            let state = failure.sqlstate.as_deref().unwrap_or(&failure.reason);
            wrong.push(format!("{state} by {}", failure.statement));
        }
        let verdict = &self.up.verdict;
        if verdict.word != EXACT || verdict.differences > 0 {
            wrong.push(format!("the verdict is {}", verdict.word));
        }
        wrong
    }
}

#[cfg(test)]
mod tests;
