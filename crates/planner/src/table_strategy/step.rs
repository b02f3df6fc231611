//! The common form of a step.

use crossfade_plan::QualifiedName;
use crossfade_plan::Stage;
use crossfade_plan::execution::{Action, Blocking, Lock, LockLevel, Step, StepId};

/// A step that runs its statements in one transaction, blocks nobody and has no undo of its own.
pub(crate) fn transaction(
    stage: Stage,
    id: &str,
    title: impl Into<String>,
    statements: Vec<String>,
) -> Step {
    Step {
        id: StepId::new(id),
        stage,
        title: title.into(),
        action: Action::Transaction,
        statements,
        locks: Vec::new(),
        blocking: Blocking::None,
        undo: Vec::new(),
        undo_after: Vec::new(),
        undo_last: Vec::new(),
        hazards: Vec::new(),
    }
}

/// A lock on a relation.
pub(crate) fn lock(relation: &QualifiedName, level: LockLevel) -> Lock {
    Lock {
        relation: relation.clone(),
        level,
    }
}
