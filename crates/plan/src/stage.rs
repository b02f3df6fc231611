//! The protocol's state machine: which stage a migration is in, and what each event makes of it.
//!
//! Pure on purpose: the engine asks it before it records anything, so that a stage can only be
//! reached in the order in which the protocol's proofs hold.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a migration has come. Persisted by its `snake_case` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Registered; nothing of it exists in the database yet.
    Planned,
    /// Target and dual-write exist: every write from now on reaches both sides.
    Expanded,
    /// Rows from before the expand are being copied.
    Backfilling,
    /// Both sides hold the same rows, and nobody can see a snapshot from before that.
    Backfilled,
    /// A verification that began after the backfill closed found no difference.
    Verified,
    /// The target bears the source's name; the old side receives every write by reverse dual-write.
    CutOver,
    /// The old side is gone.
    Contracted,
    /// Being undone after the cutover: the old side bears its name again and nothing mirrors its
    /// writes; the target is still to be dropped.
    RollingBack,
    /// Undone: nothing of it is left in the database.
    RolledBack,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 9] = [
        Self::Planned,
        Self::Expanded,
        Self::Backfilling,
        Self::Backfilled,
        Self::Verified,
        Self::CutOver,
        Self::Contracted,
        Self::RollingBack,
        Self::RolledBack,
    ];

    /// The persisted name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Expanded => "expanded",
            Self::Backfilling => "backfilling",
            Self::Backfilled => "backfilled",
            Self::Verified => "verified",
            Self::CutOver => "cut_over",
            Self::Contracted => "contracted",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Reads the persisted name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }

    /// Whether nothing more can happen to the migration.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Contracted | Self::RolledBack)
    }

    /// Whether triggers of ours fire on the application's writes in this stage.
    pub fn is_dual_writing(self) -> bool {
        !matches!(self, Self::Planned | Self::RollingBack) && !self.is_final()
    }

    /// Whether it was undone, be it that something is still to be dropped: no stage of the way up
    /// can follow.
    pub fn is_undone(self) -> bool {
        matches!(self, Self::RollingBack | Self::RolledBack)
    }

    /// The stage after `event`, or why the event can't happen now.
    pub fn after(self, event: Progress) -> Result<Self, OutOfOrder> {
        use Progress as P;
        let next = match (self, event) {
            (Self::Planned, P::Expanded) => Self::Expanded,
            (Self::Expanded | Self::Backfilling, P::BackfillStarted) => Self::Backfilling,
            // A voided proof shuts the gate; the copied rows stay.
            (Self::Backfilling, P::BackfillClosed)
            | (Self::Backfilled | Self::Verified, P::ProofVoided) => Self::Backfilled,
            // A later, clean verification replaces an earlier one.
            (Self::Backfilled | Self::Verified, P::Verified) => Self::Verified,
            // Before the backfill has closed there is no proof to void.
            (Self::Expanded | Self::Backfilling, P::ProofVoided) => self,
            (Self::Verified, P::CutOver) => Self::CutOver,
            (Self::CutOver, P::Contracted) => Self::Contracted,
            (Self::CutOver, P::SwappedBack) => Self::RollingBack,
            // After the cutover only by way of the names.
            (stage, P::RolledBack) if !stage.is_final() && stage != Self::CutOver => {
                Self::RolledBack
            }
            (stage, event) => return Err(OutOfOrder { stage, event }),
        };
        Ok(next)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What moves a migration from stage to stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Target and dual-write were created.
    Expanded,
    /// The first range was claimed, or a later run goes on.
    BackfillStarted,
    /// Nothing is missing, the horizon has passed, the target's indexes and constraints stand.
    BackfillClosed,
    /// A full verification found both sides equal.
    Verified,
    /// A repair, a drift of the schema, or a gap in the triggers: what was proved no longer is.
    ProofVoided,
    /// The swap committed.
    CutOver,
    /// The old side was dropped.
    Contracted,
    /// After the cutover: the old side bears its name again, and dual-write is gone.
    SwappedBack,
    /// Everything was undone.
    RolledBack,
}

/// An event that the stage does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot follow stage {stage}")]
pub struct OutOfOrder {
    /// The stage the migration is in.
    pub stage: Stage,
    /// The event that was refused.
    pub event: Progress,
}

/// What a migration is doing right now. Persisted by its `snake_case` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Registered or between two commands.
    Pending,
    /// A runner works on it.
    Running,
    /// Paused on request.
    Paused,
    /// A runner waits: throttle, horizon or lock. Or the last run ended because of a hold, the soak
    /// time or an approval.
    Waiting,
    /// The last run ended with an error.
    Failed,
    /// Contracted or rolled back.
    Done,
}

impl Status {
    /// The persisted name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// Reads the persisted name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Running,
            Self::Paused,
            Self::Waiting,
            Self::Failed,
            Self::Done,
        ]
        .into_iter()
        .find(|status| status.as_str() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_way_is_allowed_in_order_only() {
        let way = [
            (Progress::Expanded, Stage::Expanded),
            (Progress::BackfillStarted, Stage::Backfilling),
            (Progress::BackfillStarted, Stage::Backfilling),
            (Progress::BackfillClosed, Stage::Backfilled),
            (Progress::Verified, Stage::Verified),
            (Progress::ProofVoided, Stage::Backfilled),
            (Progress::Verified, Stage::Verified),
            (Progress::CutOver, Stage::CutOver),
            (Progress::Contracted, Stage::Contracted),
        ];
        let mut stage = Stage::Planned;
        for (event, expected) in way {
            stage = stage.after(event).expect("allowed");
            assert_eq!(stage, expected);
        }
    }

    #[test]
    fn cutover_is_reached_from_verified_alone() {
        for stage in Stage::ALL {
            assert_eq!(
                stage.after(Progress::CutOver).is_ok(),
                stage == Stage::Verified,
                "{stage}"
            );
        }
    }

    #[test]
    fn what_is_final_stays_final() {
        let events = [
            Progress::Expanded,
            Progress::BackfillStarted,
            Progress::BackfillClosed,
            Progress::Verified,
            Progress::ProofVoided,
            Progress::CutOver,
            Progress::Contracted,
            Progress::SwappedBack,
            Progress::RolledBack,
        ];
        for stage in [Stage::Contracted, Stage::RolledBack] {
            for event in events {
                assert_eq!(stage.after(event), Err(OutOfOrder { stage, event }));
            }
        }
    }

    #[test]
    fn every_stage_can_be_undone_before_contract() {
        for stage in Stage::ALL {
            let first = match stage {
                Stage::CutOver => Progress::SwappedBack,
                _ => Progress::RolledBack,
            };
            assert_eq!(stage.after(first).is_ok(), !stage.is_final(), "{stage}");
        }
    }

    #[test]
    fn who_has_swapped_back_can_only_drop_the_rest() {
        let stage = Stage::RollingBack;
        assert_eq!(Stage::CutOver.after(Progress::SwappedBack), Ok(stage));
        let rest = stage.after(Progress::RolledBack);
        assert_eq!(rest, Ok(Stage::RolledBack));
        for event in [
            Progress::Expanded,
            Progress::BackfillStarted,
            Progress::BackfillClosed,
            Progress::Verified,
            Progress::ProofVoided,
            Progress::CutOver,
            Progress::Contracted,
            Progress::SwappedBack,
        ] {
            assert_eq!(stage.after(event), Err(OutOfOrder { stage, event }));
        }
    }

    #[test]
    fn names_are_read_back() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_name(stage.as_str()), Some(stage));
        }
        assert_eq!(Stage::from_name("nowhere"), None);
    }
}
