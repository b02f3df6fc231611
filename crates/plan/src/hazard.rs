//! Hazards: what a plan does that somebody should know before it runs.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! hazards {
    ($($(#[$doc:meta])* $variant:ident = $id:literal,)+) => {
        /// The stable id of a hazard, as `--allow-hazard` takes it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum HazardId {
            $($(#[$doc])* #[serde(rename = $id)] $variant,)+
        }

        impl HazardId {
            /// Every id.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The id as it is printed and accepted.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }
        }
    };
}

hazards! {
    /// A short ACCESS EXCLUSIVE lock on a table that the applications use.
    AccessExclusiveLock = "ACCESS_EXCLUSIVE_LOCK",
    /// Data is dropped for good when the migration is contracted.
    DeletesData = "DELETES_DATA",
    /// After cutover the old side cannot hold everything that the new side may hold.
    LossyReverse = "LOSSY_REVERSE",
    /// A new unique constraint or index is stricter than what the table has now, or one of the old side
    /// is over values that the way back makes.
    UniqueStricter = "UNIQUE_STRICTER",
    /// Rows may not fit the new type or constraint.
    BadValues = "BAD_VALUES",
    /// Prepared statements of open sessions fail once after the type change.
    PreparedStatements = "PREPARED_STATEMENTS",
    /// Queue readers meet the row locks of a chunk.
    QueueReaders = "QUEUE_READERS",
    /// `copy` and `insert` without a column list see another set of columns.
    ColumnAdded = "COLUMN_ADDED",
    /// The order of the columns changes.
    ColumnOrder = "COLUMN_ORDER",
    /// A second copy of the table needs room on disk.
    DiskSpace = "DISK_SPACE",
    /// The table has no primary key; a unique NOT NULL index stands in.
    NoPrimaryKey = "NO_PRIMARY_KEY",
    /// An expression gives another value each time it is evaluated.
    VolatileExpression = "VOLATILE_EXPRESSION",
    /// An index or constraint goes away with a column it is on.
    DependentDropped = "DEPENDENT_DROPPED",
    /// A function keeps plans that a change of the columns breaks, and cannot be touched.
    DependentFunction = "DEPENDENT_FUNCTION",
    /// Code of the table's own depends on the session that writes a row, and on the mirror that is
    /// another one.
    ContextDependent = "CONTEXT_DEPENDENT",
    /// Sessions that have drawn from a sequence do not know its successor.
    SequenceSwapped = "SEQUENCE_SWAPPED",
    /// System columns of each row change, which some applications lock by.
    RowVersions = "ROW_VERSIONS",
    /// Each written row is a subtransaction of its own.
    Subtransactions = "SUBTRANSACTIONS",
    /// Transactions at REPEATABLE READ or SERIALIZABLE may get 40001 more often.
    SerializableWriters = "SERIALIZABLE_WRITERS",
}

impl HazardId {
    /// Reads an id, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|id| id.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for HazardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a hazard weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be read before the plan runs.
    Warning,
    /// `expand` refuses until it is accepted by `--allow-hazard`.
    Danger,
}

/// One hazard of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hazard {
    /// Which kind.
    pub id: HazardId,
    /// How much it weighs.
    pub severity: Severity,
    /// What it is about: a column, a constraint, a table.
    pub subject: String,
    /// What happens, in a sentence.
    pub explanation: String,
    /// What to do about it, in a sentence.
    pub remedy: String,
    /// How much room it takes, where that is what it is about and could be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
