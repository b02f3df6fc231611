//! The next step.

use crossfade_plan::{MigrationName, Stage};

/// The command that brings a migration on; `None` where nothing is left to do.
pub(super) fn next(name: &MigrationName, stage: Stage, paused: bool, hold: bool) -> Option<String> {
    let command = match stage {
        Stage::Contracted | Stage::RolledBack => return None,
        // A pause stops work of every stage, a hold the cutover alone.
        _ if paused => "resume",
        Stage::Planned => "expand",
        Stage::Expanded | Stage::Backfilling => "backfill",
        Stage::Backfilled => "verify",
        Stage::Verified if hold => "unhold",
        Stage::Verified => "cutover",
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
        let command = |stage, paused, hold| next(&name, stage, paused, hold);
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
}
