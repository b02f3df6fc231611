//! How fast the application was over a part of the demo.

use crossfade_sandbox::workload::WorkloadReport;

/// Transactions between two looks at the workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// How many ended as meant.
    pub(super) commits: u64,
    /// In how many seconds.
    pub(super) seconds: f64,
}

impl Pace {
    /// From one look to a later one.
    pub(super) fn between(before: &WorkloadReport, after: &WorkloadReport) -> Self {
        Self {
            commits: after.commits.saturating_sub(before.commits),
            seconds: after.seconds - before.seconds,
        }
    }

    /// Transactions a second.
    pub(super) fn per_second(self) -> u64 {
        rounded(self.commits, self.seconds)
    }
}

/// So many in so many seconds: how many in one.
pub(super) fn rounded(count: u64, seconds: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people, of numbers that are not negative"
    )]
    let rate = (count as f64 / seconds.max(f64::EPSILON)).round() as u64;
    rate
}
