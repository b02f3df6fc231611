//! Expand: the target, the functions, the triggers. Each in a transaction of its own: only the
//! last one takes a lock on a table that the applications use.

use crossfade_dual_write::chunk::{Existing, chunk_statement};
use crossfade_plan::Stage;
use crossfade_plan::execution::{Action, Blocking, LockLevel, Step};
use crossfade_plan::hazard::HazardId;

use super::blueprint::Blueprint;
use super::create_table;
use super::step::{lock, transaction};

/// The steps that lead to `expanded`.
pub(crate) fn steps(plan: &Blueprint<'_>) -> Vec<Step> {
    let target = &plan.objects.target;
    let forward = plan.forward();

    let mut create = transaction(
        Stage::Expanded,
        "create-target",
        format!("create {target}"),
        create_table::statements(plan),
    );
    create.undo_last = vec![format!("drop table if exists {target}")];

    let mut functions = transaction(
        Stage::Expanded,
        "create-dual-write-functions",
        "create the functions of the triggers",
        record_rights(plan),
    );
    functions.statements.extend(forward.create_functions());
    functions.undo = forward.drop_functions();

    let mut triggers = transaction(
        Stage::Expanded,
        "create-triggers",
        format!("mirror every write of {} to {target}", plan.name()),
        forward.create_triggers(),
    );
    triggers.locks = vec![lock(plan.name(), LockLevel::ShareRowExclusive)];
    triggers.blocking = Blocking::Instant;
    triggers.undo = forward.drop_triggers();
    vec![create, functions, triggers]
}

/// The copy of the rows from before the expand.
pub(crate) fn backfill(plan: &Blueprint<'_>) -> Step {
    let mut step = transaction(
        Stage::Backfilled,
        "backfill",
        format!("copy the rows of {} in chunks of blocks", plan.name()),
        vec![chunk_statement(plan.mapping, Existing::LeftOut)],
    );
    step.action = Action::Backfill;
    step.locks = vec![lock(plan.name(), LockLevel::RowShare)];
    step.blocking = Blocking::Bounded;
    step.hazards = vec![HazardId::QueueReaders, HazardId::DiskSpace];
    step
}

/// The trigger functions run as the table's owner, and write down what the mirror refuses.
///
/// The rights stay when the migration is over: they are on our own schema, and another migration
/// of the same owner may be running on them.
fn record_rights(plan: &Blueprint<'_>) -> Vec<String> {
    let (records, owner) = (plan.records, &plan.target.source.owner);
    let (forward, reverse) = (plan.forward().records(), plan.reverse().records());
    let mut statements = Vec::new();
    if forward || reverse {
        statements.push(format!(
            "grant usage on schema {} to {owner}",
            records.row_error.schema
        ));
    }
    if forward {
        let table = &records.row_error;
        statements.push(format!(
            "grant select, insert, update, delete on table {table} to {owner}"
        ));
    }
    if reverse {
        statements.push(format!(
            "grant insert on table {} to {owner}",
            records.reverse_loss
        ));
    }
    statements
}
