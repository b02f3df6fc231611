//! The execution plan: every step with its exact SQL, made once by the planner and then only
//! carried out. Immutable, serializable, fingerprinted.

use serde::{Deserialize, Serialize};

use crate::file::PlanFile;
use crate::fingerprint::{CatalogParts, Fingerprint};
use crate::hazard::{Hazard, HazardId};
use crate::mapping::Mapping;
use crate::objects::Objects;
use crate::{Ident, QualifiedName, Stage};

/// Version of the persisted form of [`ExecutionPlan`].
pub const EXECUTION_PLAN_FORMAT: u32 = 1;

/// Everything that a migration will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionPlan {
    /// [`EXECUTION_PLAN_FORMAT`] of the program that made it.
    pub format: u32,
    /// The plan file that it was made from, with every default filled in.
    pub file: PlanFile,
    /// Hash of the plan file, of `catalog` and of `format`.
    pub fingerprint: Fingerprint,
    /// Why this strategy was chosen, in a sentence.
    pub strategy_reason: String,
    /// What a row of one side is on the other.
    pub mapping: Mapping,
    /// Names of all that is made or renamed.
    pub objects: Objects,
    /// The parts of the catalog that the plan relies on, by name.
    pub catalog: CatalogParts,
    /// What somebody should know before it runs, the gravest first.
    pub hazards: Vec<Hazard>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

impl ExecutionPlan {
    /// The same plan with another plan file, to ask whether that is the registered one.
    #[must_use]
    pub fn with_file(&self, file: &PlanFile) -> Self {
        Self {
            file: file.clone(),
            ..self.clone()
        }
    }

    /// The steps that lead to `stage`, in order.
    pub fn steps_to(&self, stage: Stage) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.stage == stage)
    }

    /// What undoes all that was done up to and including `stage`, last step first. Together it
    /// leaves nothing of the migration behind.
    pub fn undo_from(&self, stage: Stage) -> Undo<'_> {
        let of = |part: fn(&Step) -> &Vec<String>| -> Vec<&str> {
            self.steps
                .iter()
                .rev()
                .filter(|step| step.stage <= stage)
                .flat_map(|step| part(step).iter().map(String::as_str))
                .collect()
        };
        let mut undo = Undo {
            first: of(|step| &step.undo),
            after: of(|step| &step.undo_after),
            last: of(|step| &step.undo_last),
        };
        match stage {
            // The names are back already.
            Stage::RollingBack | Stage::RolledBack => undo.first.clear(),
            Stage::CutOver | Stage::Contracted => {}
            // The applications do not know the target: nobody waits for its locks.
            _ => undo.first.append(&mut undo.last),
        }
        undo
    }
}

/// The statements of a rollback, in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo<'a> {
    /// In one transaction; empty where that has been done.
    pub first: Vec<&'a str>,
    /// Each in a transaction of its own.
    pub after: Vec<&'a str>,
    /// In one transaction; empty where `first` does it all.
    pub last: Vec<&'a str>,
}

impl Undo<'_> {
    /// As a script that psql can run; empty where nothing is to be undone.
    pub fn script(&self) -> String {
        let together = |statements: &[&str]| match statements {
            [] => String::new(),
            all => format!("begin;\n{};\ncommit;\n", all.join(";\n")),
        };
        let each: Vec<String> = self.after.iter().map(|sql| format!("{sql};\n")).collect();
        let (first, last) = (together(&self.first), together(&self.last));
        format!("{first}{}{last}", each.concat())
    }
}

/// Names a step within its plan; stable across runs of the planner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// Takes an id such as `create-target`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as it is stored and printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Names it.
    pub id: StepId,
    /// The stage that it leads to; the command of that stage carries it out.
    pub stage: Stage,
    /// What it does, in a few words.
    pub title: String,
    /// How it is carried out, and how a later run sees that it was.
    pub action: Action,
    /// The exact SQL. For [`Action::Backfill`] and [`Action::Verify`] the statement of one chunk,
    /// its parameters as `$1`, `$2`.
    pub statements: Vec<String>,
    /// The strongest lock that it takes on each relation that exists for others, in order.
    pub locks: Vec<Lock>,
    /// How long others can be blocked.
    pub blocking: Blocking,
    /// What `rollback` does about it; empty where another step's undo takes it away too.
    pub undo: Vec<String>,
    /// What restores the last of it once `undo` has committed, each statement in a transaction of
    /// its own: they scan the table, which must not happen under the locks of `undo`.
    pub undo_after: Vec<String>,
    /// What drops what the step has made, at the very end. After the cutover in a transaction of
    /// its own, when the names are back: who waited for the table meanwhile must still find it.
    pub undo_last: Vec<String>,
    /// Hazards that belong to it.
    pub hazards: Vec<HazardId>,
}

/// How a step is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// All statements in one transaction that also records the step: the record is the probe.
    Transaction,
    /// `create index concurrently`, which no transaction can hold. The probe is a valid index of
    /// that name with that definition; an invalid leftover is dropped and built anew.
    ConcurrentIndex {
        /// The index.
        index: QualifiedName,
        /// The table that it is on.
        table: QualifiedName,
    },
    /// The copy of the rows from before the expand, in chunks, and its closing pass.
    Backfill,
    /// The comparison of both sides.
    Verify,
    /// The swap: the gate is checked, the locks are taken in the order of `locks`, then the
    /// statements run, in one transaction that also records the stage.
    Swap,
}

/// A lock on a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The relation.
    pub relation: QualifiedName,
    /// How strong.
    pub level: LockLevel,
}

/// PostgreSQL's table lock levels, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockLevel {
    /// What a plain read takes.
    AccessShare,
    /// What `select ... for update` takes.
    RowShare,
    /// What a write takes.
    RowExclusive,
    /// Blocks schema changes and vacuum.
    ShareUpdateExclusive,
    /// Blocks writes.
    Share,
    /// Blocks writes, and itself.
    ShareRowExclusive,
    /// Allows plain reads only.
    Exclusive,
    /// Blocks everything.
    AccessExclusive,
}

impl LockLevel {
    /// As SQL and `pg_locks` users know it, in capitals: `ACCESS EXCLUSIVE`.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// Whether an application's `insert`, `update` or `delete` has to wait for it.
    pub fn blocks_writes(self) -> bool {
        self >= Self::Share
    }
}

impl std::fmt::Display for LockLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_sql())
    }
}

/// How long a step can block the applications once it holds its locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocking {
    /// Not at all.
    None,
    /// For a change of the catalogs: milliseconds.
    Instant,
    /// For the length of a chunk at most, and only those that want the same rows.
    Bounded,
    /// For a scan of the table. The checker refuses this under a lock that blocks writes.
    Scan,
}

/// The functions and triggers of one direction of dual-write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DualWriteNames {
    /// Function of the row trigger.
    pub row_function: QualifiedName,
    /// Function of the TRUNCATE trigger.
    pub truncate_function: QualifiedName,
    /// The row trigger; `!` makes it the first of its row.
    pub row_trigger: Ident,
    /// The TRUNCATE trigger.
    pub truncate_trigger: Ident,
}
