//! Contract: the old side goes, triggers before functions before the table, in one transaction.

use crossfade_plan::Stage;
use crossfade_plan::execution::{Blocking, LockLevel, Step};
use crossfade_plan::hazard::HazardId;

use super::blueprint::Blueprint;
use super::step::{lock, transaction};

/// The only step that leads to `contracted`. There is no way back from it.
pub(crate) fn step(plan: &Blueprint<'_>) -> Step {
    let (reverse, retired) = (plan.reverse(), &plan.objects.retired);
    let mut statements = reverse.drop_triggers();
    statements.extend(reverse.drop_functions());
    statements.push(format!("drop table if exists {retired}"));
    let mut step = transaction(
        Stage::Contracted,
        "drop-old-side",
        format!("drop {retired}"),
        statements,
    );
    step.locks = vec![
        lock(plan.name(), LockLevel::AccessExclusive),
        lock(retired, LockLevel::AccessExclusive),
    ];
    step.blocking = Blocking::Instant;
    if plan
        .target
        .hazards
        .iter()
        .any(|hazard| hazard.id == HazardId::DeletesData)
    {
        step.hazards.push(HazardId::DeletesData);
    }
    step
}
