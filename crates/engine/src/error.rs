//! Why a stage did not reach its end.

use crossfade_backfill::BackfillError;
use crossfade_dual_write::Gap;
use crossfade_plan::fingerprint::Drift;
use crossfade_plan::hazard::Hazard;
use crossfade_plan::{MigrationName, QualifiedName, Stage};
use crossfade_planner::PlanErrors;
use crossfade_postgres::catalog::CatalogError;
use crossfade_postgres::{BeginError, CommitError, ConnectError, ErrorClass, QueryError};
use crossfade_state::{LeaseHolder, ReverseLoss, StateError};

use crossfade_verify::VerifyError;

use crate::gate::Shut;
use crate::gone::Side;
use crate::preflight::Report;

/// Why a stage did not reach its end. What was recorded as done stays done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The state could not be read or written, or the lease is lost.
    #[error(transparent)]
    State(#[from] StateError),
    /// A statement failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// No transaction could be opened.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A transaction was not committed, or nobody knows.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The catalogs could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The plan file does not fit the table.
    #[error("the plan does not fit the database")]
    Plan(#[from] PlanErrors),
    /// The backfill stopped.
    #[error(transparent)]
    Backfill(#[from] BackfillError),
    /// There is no such table.
    #[error("there is no table {0}")]
    NoTable(QualifiedName),
    /// A table of the migration is not there under its name any more.
    #[error("{side} {table} does not exist any more under this name")]
    TableGone {
        /// The name that it had.
        table: QualifiedName,
        /// Which of the tables it is.
        side: Side,
    },
    /// No migration has this name.
    #[error("no migration is called {0}")]
    UnknownMigration(MigrationName),
    /// Preflight found something that must be mended or accepted first; the report holds nothing
    /// else.
    #[error("preflight did not pass")]
    Preflight(Box<Report>),
    /// The plan is dangerous, and nobody has accepted that.
    #[error("the plan has hazards that must be accepted")]
    Hazards(Vec<Hazard>),
    /// The schema is not what the plan was made for.
    #[error("the schema has changed since the plan was made")]
    Drift(Vec<Drift>),
    /// The plan that was reviewed was made from another plan file or by another version.
    #[error("the reviewed plan is not what this plan file comes to")]
    NotTheReviewedPlan,
    /// Another runner works on the migration.
    #[error("another runner holds the lease")]
    LeaseHeld(LeaseHolder),
    /// Told to stop while another runner's lease was watched.
    #[error("stopped before the lease was free")]
    StoppedBeforeLease,
    /// An earlier stage comes first.
    #[error("the migration is in stage {found}, this needs {needed}")]
    TooEarly {
        /// The stage it is in.
        found: Stage,
        /// The earliest stage that would do.
        needed: Stage,
    },
    /// It is too late for this.
    #[error("the migration is in stage {found}, and this cannot be done any more")]
    TooLate {
        /// The stage it is in.
        found: Stage,
    },
    /// Dual-write had a gap: writes may have passed the target by.
    #[error("dual-write had a gap: {0}")]
    Gap(Gap),
    /// What the swap needs is not proved, or somebody holds it.
    #[error("the gate is shut: {0}")]
    GateShut(Shut),
    /// Somebody changed one of the tables between the comparison of the catalogs and the locks.
    #[error("a table was altered at the moment of the swap")]
    CatalogMoved,
    /// The new side is not as the cutover left it: going back would drop what was changed.
    #[error("the table was altered since the cutover, and a rollback would lose that")]
    AlteredSince(Vec<Drift>),
    /// Something hangs on the side that is to be dropped, by name.
    #[error("something depends on the side of the table that is to be dropped")]
    Hanging(Vec<String>),
    /// An index or a constraint that the way back renames is not there any more; the server's words.
    #[error("what the way back needs was renamed or dropped: {0}")]
    PartGone(String),
    /// The function of an event trigger failed.
    #[error("an event trigger refused a statement: {}", .triggers.join(", "))]
    EventTrigger {
        /// Those that it can have been, quoted.
        triggers: Vec<String>,
        /// The stage of the migration.
        stage: Stage,
    },
    /// The verification could not be made.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The soak time of the plan is not over.
    #[error("the soak time is not over, {} seconds are left", left.as_secs())]
    Soaking {
        /// What is left of it.
        left: std::time::Duration,
    },
    /// Transactions hold the tables for so long that the swap would block everybody behind it.
    #[error("transactions hold the tables for long")]
    TablesInUse {
        /// Backend process ids; 0 stands for a prepared transaction.
        pids: Vec<i32>,
    },
    /// The old side lacks writes that it could not take: going back would lose them.
    #[error("the way back would lose what was written to {} since {}", rows(.0.rows), .0.since)]
    WindowClosed(ReverseLoss),
    /// A lock was not granted within the limit.
    #[error("the locks of step {step:?} were not granted in {attempts} attempts")]
    LockNotGranted {
        /// The step.
        step: String,
        /// How often it was tried.
        attempts: u32,
        /// The last refusal.
        #[source]
        last: Box<EngineError>,
    },
    /// An index build of a runner that is gone still runs at the server.
    #[error("an earlier build of the index of step {step:?} is still running after {waited:?}")]
    StillBuilding {
        /// The step.
        step: String,
        /// How long it was waited for.
        waited: std::time::Duration,
    },
    /// Whenever an index was being built, somebody waited for it.
    #[error("the index of step {step:?} was in somebody's way at every attempt")]
    BuildInTheWay {
        /// The step.
        step: String,
    },
    /// What an index was to be named is taken by something else.
    #[error("{0} exists already and is not the index that the plan describes")]
    IndexNameTaken(QualifiedName),
}

impl EngineError {
    /// Whether it goes on by what people do or as time passes, without any work: hold, approvals and
    /// soak time.
    pub fn is_wait(&self) -> bool {
        match self {
            Self::GateShut(shut) => shut.waits_for_people(),
            Self::Soaking { .. } => true,
            _ => false,
        }
    }

    /// Whether the server is a standby, which takes no writes.
    pub fn is_of_standby(&self) -> bool {
        self.query().is_some_and(QueryError::is_of_standby)
    }

    /// Whether it passes by itself.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.class(), ErrorClass::Retry | ErrorClass::Reconnect)
    }

    /// The server's own error, where there is one.
    pub(crate) fn query(&self) -> Option<&QueryError> {
        match self {
            Self::Query(error)
            | Self::State(StateError::Query(error))
            | Self::Begin(BeginError::Query(error))
            | Self::Catalog(CatalogError::Query(error))
            | Self::Commit(CommitError::Refused(error)) => Some(error),
            Self::Backfill(error) => error.query(),
            Self::Verify(error) => error.query(),
            _ => None,
        }
    }

    /// What to do about it, where the server or the connection is to blame.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::State(error) => error.class(),
            Self::Backfill(error) => error.class(),
            Self::Verify(error) => error.class(),
            Self::CatalogMoved => ErrorClass::Retry,
            Self::Query(error)
            | Self::Begin(BeginError::Query(error))
            | Self::Catalog(CatalogError::Query(error))
            | Self::Commit(CommitError::Refused(error)) => error.class(),
            Self::Begin(BeginError::Connect(error)) | Self::Connect(error) => {
                if error.is_retryable() {
                    ErrorClass::Reconnect
                } else {
                    ErrorClass::Privilege
                }
            }
            Self::Commit(CommitError::Unknown(_)) => ErrorClass::Reconnect,
            _ => ErrorClass::Unknown,
        }
    }
}

fn rows(number: i64) -> String {
    match number {
        1 => "1 row".to_owned(),
        more => format!("{more} rows"),
    }
}
