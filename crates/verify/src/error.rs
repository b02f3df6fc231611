//! Why a verification could not be made.

use crossfade_postgres::{BeginError, CommitError, ConnectError, ErrorClass, QueryError};
use crossfade_state::StateError;

/// Why a verification stops without a verdict. What it has compared so far is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
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
    /// Rows that the mirror refused are recorded: they are known to be missing.
    #[error(
        "{count} rows could not be mirrored; they have to be mended before both sides can be equal"
    )]
    RowErrors {
        /// How many.
        count: i64,
    },
    /// One of the two tables does not exist.
    #[error("{table} does not exist")]
    TableGone {
        /// Its name, quoted.
        table: String,
    },
    /// The mapping names a key column without an image, or a column that a table lacks.
    #[error("{table} has no column {column} that the mapping names")]
    ColumnGone {
        /// The table, quoted.
        table: String,
        /// The column.
        column: String,
    },
    /// Passing failures did not pass in time.
    #[error("gave up after {attempts} attempts")]
    GaveUp {
        /// How many.
        attempts: u32,
        /// The last one.
        #[source]
        last: Box<VerifyError>,
    },
    /// The comparison did not see a change that was made for it to see: no verdict can be trusted.
    #[error(
        "the comparison reported {found} differences where exactly one row was changed, or named another one"
    )]
    SelfTestFailed {
        /// How many it reported.
        found: i64,
    },
}

impl VerifyError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::State(error) => error.class(),
            Self::Query(error)
            | Self::Begin(BeginError::Query(error))
            | Self::Commit(CommitError::Refused(error)) => error.class(),
            Self::Connect(error) | Self::Begin(BeginError::Connect(error)) => connect_class(error),
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

    /// Whether the same work can succeed after a pause.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.class(), ErrorClass::Retry | ErrorClass::Reconnect)
    }

    /// The SQLSTATE, where a value of a row is to blame.
    pub(crate) fn refused_value(&self) -> Option<String> {
        match self {
            Self::Query(error) if error.class() == ErrorClass::Row => {
                error.sqlstate().map(|state| state.code().to_owned())
            }
            Self::GaveUp { last, .. } => last.refused_value(),
            _ => None,
        }
    }
}

impl From<tokio_postgres::Error> for VerifyError {
    /// A column that does not have the type that is asked for.
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(QueryError::from(error))
    }
}

fn connect_class(error: &ConnectError) -> ErrorClass {
    match error {
        ConnectError::Authentication { .. } => ErrorClass::Privilege,
        error if error.is_retryable() => ErrorClass::Reconnect,
        _ => ErrorClass::Unknown,
    }
}
