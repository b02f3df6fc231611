//! Why a backfill stops before its end.

use crossfade_postgres::catalog::CatalogError;
use crossfade_postgres::{BeginError, CommitError, ConnectError, ErrorClass, QueryError};
use crossfade_state::StateError;

/// Why a backfill stops. What was copied stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
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
    /// The source is gone.
    #[error("the source table no longer exists")]
    SourceGone,
    /// More rows cannot be mapped than the plan allows.
    #[error("{found} rows cannot be copied, the plan allows {allowed}")]
    TooManyRowErrors {
        /// Recorded rows.
        found: u64,
        /// `backfill.max_errors`.
        allowed: u64,
    },
    /// The server would read a whole table for each chunk.
    #[error("the server plans a chunk as {node}, which reads far more than the chunk")]
    PlanShape {
        /// The offending node of the plan.
        node: String,
    },
    /// Passing failures did not pass in time.
    #[error("gave up after {attempts} attempts")]
    GaveUp {
        /// How many.
        attempts: u32,
        /// The last one.
        #[source]
        last: Box<BackfillError>,
    },
    /// Snapshots from before the last copied row are still open.
    #[error("{open} transactions still see the table as it was before the copy")]
    HorizonHeld {
        /// How many.
        open: usize,
        /// Backend process ids of the first few.
        pids: Vec<i32>,
    },
    /// Rows stay locked by others, so nobody can tell what is to be copied.
    #[error("{rows} rows stay locked by other transactions")]
    RowsHeld {
        /// How many, at least.
        rows: usize,
        /// Backend process ids of those who hold them, where they could be told.
        pids: Vec<i32>,
    },
}

impl BackfillError {
    /// What to do about it, where the server or the connection is to blame.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::State(error) => error.class(),
            Self::Query(error)
            | Self::Begin(BeginError::Query(error))
            | Self::Commit(CommitError::Refused(error))
            | Self::Catalog(CatalogError::Query(error)) => error.class(),
            Self::Begin(BeginError::Connect(error)) | Self::Connect(error) => {
                if error.is_retryable() {
                    ErrorClass::Reconnect
                } else {
                    ErrorClass::Privilege
                }
            }
            // Whether the chunk stands is told by the position of its range, read when it is
            // claimed again: the claim waits for nobody, and an open transaction still holds it.
            Self::Commit(CommitError::Unknown(_)) => ErrorClass::Reconnect,
            _ => ErrorClass::Unknown,
        }
    }

    /// The server's own error, where there is one.
    pub fn query(&self) -> Option<&QueryError> {
        match self {
            Self::Query(error)
            | Self::State(StateError::Query(error))
            | Self::Begin(BeginError::Query(error))
            | Self::Commit(CommitError::Refused(error)) => Some(error),
            _ => None,
        }
    }
}
