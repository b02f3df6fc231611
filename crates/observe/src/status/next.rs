//! The next step.

use crossfade_plan::{MigrationName, Stage};
use crossfade_state::Verdict;

/// The command that brings a migration on; `None` where nothing is left to do.
pub(super) fn next(
    name: &MigrationName,
    stage: Stage,
    paused: bool,
    hold: bool,
    verdict: Option<Verdict>,
) -> Option<String> {
    let command = match stage {
        Stage::Contracted | Stage::RolledBack => return None,
        // A pause stops work of every stage, a hold the cutover alone.
        _ if paused => "resume",
        Stage::Planned => "expand",
        Stage::Expanded | Stage::Backfilling => "backfill",
        Stage::Backfilled => "verify",
        Stage::Verified if hold => "unhold",
        Stage::Verified => "cutover",
        // What differs since the cutover would be gone with the old side.
        Stage::CutOver if verdict == Some(Verdict::Mismatch) => "verify",
        Stage::CutOver => "contract",
        Stage::RollingBack => "rollback",
    };
    Some(format!("crossfade {command} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_comes_first() {
        let name = MigrationName::new("orders").expect("a name");
        let command = |stage, paused, hold| next(&name, stage, paused, hold, None);
        let verified = Stage::Verified;
        assert_eq!(
            command(verified, false, false).as_deref(),
            Some("crossfade cutover orders")
        );
        assert_eq!(
            command(verified, false, true).as_deref(),
            Some("crossfade unhold orders")
        );
        assert_eq!(
            command(verified, true, true).as_deref(),
            Some("crossfade resume orders")
        );
        let backfilling = command(Stage::Backfilling, false, true);
        assert_eq!(backfilling.as_deref(), Some("crossfade backfill orders"));
        assert_eq!(command(Stage::Contracted, true, true), None);
    }

    #[test]
    fn sides_that_differ_after_the_cutover_are_looked_at_first() {
        let name = MigrationName::new("orders").expect("a name");
        let command = |verdict| next(&name, Stage::CutOver, false, false, Some(verdict));
        let differ = command(Verdict::Mismatch);
        assert_eq!(differ.as_deref(), Some("crossfade verify orders"));
        let alike = command(Verdict::Exact);
        assert_eq!(alike.as_deref(), Some("crossfade contract orders"));
    }
}
