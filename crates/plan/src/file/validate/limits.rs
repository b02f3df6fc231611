//! Ranges of numbers and durations.

use std::time::Duration;

use crate::file::{
    PlanDuration, PlanFile, Threshold,
    issue::{Issue, Issues},
    position::PlanPath,
};

const MAX_WORKERS: u32 = 64;
const MAX_BATCH_ROWS: u64 = 10_000_000;
const MAX_NICE_RATIO: f64 = 100.0;

pub(super) fn check(plan: &PlanFile, issues: &mut Issues) {
    let backfill = &plan.backfill;
    let at = |key| PlanPath::top("backfill").key(key);
    if !(1..=MAX_WORKERS).contains(&backfill.workers) {
        issues.push(Issue::invalid(
            at("workers"),
            format!("workers are 1 to {MAX_WORKERS}"),
        ));
    }
    if !(1..=MAX_BATCH_ROWS).contains(&backfill.batch_size) {
        let message = format!("batch_size is 1 to {MAX_BATCH_ROWS} rows");
        issues.push(Issue::invalid(at("batch_size"), message));
    }
    if !(0.0..=MAX_NICE_RATIO).contains(&backfill.nice_ratio) {
        let message = format!("nice_ratio is 0 to {MAX_NICE_RATIO}");
        issues.push(Issue::invalid(at("nice_ratio"), message));
    }
    if backfill.rows_per_second == Threshold::At(0) {
        let issue = Issue::invalid(
            at("rows_per_second"),
            "at 0 rows a second nothing is copied",
        );
        issues.push(issue.help("write off for no limit"));
    }
    range(
        at("chunk_target"),
        "chunk_target",
        backfill.chunk_target,
        60,
        issues,
    );
    if backfill.batch_delay.get() > Duration::from_hours(1) {
        issues.push(Issue::invalid(
            at("batch_delay"),
            "batch_delay is 1h at most",
        ));
    }
    if let Threshold::At(lag) = plan.throttle.max_replica_lag
        && lag.get() < Duration::from_millis(1)
    {
        let path = PlanPath::top("throttle").key("max_replica_lag");
        let issue = Issue::invalid(path, "max_replica_lag is at least 1ms");
        issues.push(issue.help("write off for no limit"));
    }
    let lock_timeout = PlanPath::top("cutover").key("lock_timeout");
    range(
        lock_timeout,
        "lock_timeout",
        plan.cutover.lock_timeout,
        60,
        issues,
    );
}

/// Refuses what is under a millisecond (PostgreSQL would take 0 for "no limit") or too long for
/// an application to wait.
fn range(path: PlanPath, key: &str, value: PlanDuration, max_secs: u64, issues: &mut Issues) {
    let range = Duration::from_millis(1)..=Duration::from_secs(max_secs);
    if !range.contains(&value.get()) {
        issues.push(Issue::invalid(path, format!("{key} is 1ms to {max_secs}s")));
    }
}
