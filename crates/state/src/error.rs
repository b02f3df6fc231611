//! What can go wrong with the state.

use std::time::Duration;

use crossfade_plan::fingerprint::Fingerprint;
use crossfade_plan::{MigrationName, OutOfOrder, QualifiedName};
use crossfade_postgres::{BeginError, CommitError, ConnectError, ErrorClass, QueryError};

use crate::id::{Epoch, MigrationId, VerificationId};

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No transaction.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// A statement failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A transaction was not committed, or nobody knows.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The schema was made by a newer program.
    #[error("the state schema {schema} has version {found}, this program knows {known}")]
    SchemaNewer {
        /// The schema, quoted.
        schema: String,
        /// Its version.
        found: i32,
        /// The version of this program.
        known: i32,
    },
    /// The schema has to be upgraded first; what only reads does not do that.
    #[error("the state schema {schema} has version {found}, this program needs {known}")]
    SchemaOlder {
        /// The schema, quoted.
        schema: String,
        /// Its version.
        found: i32,
        /// The version of this program.
        known: i32,
    },
    /// There is such a schema, with something else in it.
    #[error("the schema {schema} is not empty and is no state schema")]
    SchemaTaken {
        /// The schema, quoted.
        schema: String,
    },
    /// What is stored is not what this program writes.
    #[error("{what} of migration {migration} cannot be read")]
    Unreadable {
        /// Which column or part.
        what: &'static str,
        /// Whose.
        migration: MigrationId,
        /// Why, where something was parsed.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// No migration has this id.
    #[error("there is no migration {0}")]
    UnknownMigration(MigrationId),
    /// The name is registered with another plan file.
    #[error("migration {name} is registered with another plan file and has not been rolled back")]
    PlanEdited {
        /// The name.
        name: MigrationName,
        /// The registered one.
        id: MigrationId,
    },
    /// Another migration works on the same table.
    #[error("migration {other} is not finished and works on {table}")]
    TableTaken {
        /// The table.
        table: QualifiedName,
        /// The other migration's name.
        other: String,
    },
    /// Others kept registering the same name or table.
    #[error("registering {0} was overtaken by others again and again")]
    RegistrationOvertaken(MigrationName),
    /// What was to be approved is not what is registered.
    #[error("migration {migration} is not registered with the plan {}", fingerprint.short())]
    NotThisPlan {
        /// The migration.
        migration: MigrationId,
        /// The plan that was to be approved.
        fingerprint: Fingerprint,
    },
    /// The stage does not allow it.
    #[error(transparent)]
    OutOfOrder(#[from] OutOfOrder),
    /// The lease is no longer ours: whatever was begun must not be committed.
    #[error("the lease of migration {migration} with epoch {epoch} is lost")]
    FencedOut {
        /// Whose lease.
        migration: MigrationId,
        /// The epoch under which the work was begun.
        epoch: Epoch,
    },
    /// The lease may be taken over, but a transaction of its last owner is still open.
    #[error("a transaction of the last runner of migration {migration} stayed open for {waited:?}")]
    TakeoverBlocked {
        /// Whose lease.
        migration: MigrationId,
        /// How long we waited for its end.
        waited: Duration,
        /// The timeout.
        #[source]
        source: QueryError,
    },
    /// The range is not what it was when it was claimed.
    #[error("the claimed range of migration {0} was replaced")]
    RangeReplaced(MigrationId),
    /// The verification proves nothing any more: something came after its start that voids it, or
    /// it has ended already.
    #[error("verification {verification} of migration {migration} was voided")]
    VerificationVoided {
        /// Whose.
        migration: MigrationId,
        /// Which one.
        verification: VerificationId,
    },
}

impl StateError {
    /// What to do about it, where the server or the connection is to blame.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Query(error)
            | Self::Begin(BeginError::Query(error))
            | Self::Commit(CommitError::Refused(error))
            | Self::TakeoverBlocked { source: error, .. } => error.class(),
            Self::Connect(error) | Self::Begin(BeginError::Connect(error)) => match error {
                ConnectError::Authentication { .. } => ErrorClass::Privilege,
                error if error.is_retryable() => ErrorClass::Reconnect,
                _ => ErrorClass::Unknown,
            },
            Self::Commit(CommitError::Unknown(_)) => ErrorClass::Reconnect,
            _ => ErrorClass::Unknown,
        }
    }
}

impl From<tokio_postgres::Error> for StateError {
    /// A column that does not have the type that is asked for.
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(QueryError::from(error))
    }
}
