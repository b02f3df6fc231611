//! Connecting, sessions and transactions, lock acquisition, catalog snapshot, SQLSTATE classes.

pub mod catalog;
mod connect;
mod database;
pub mod failpoint;
mod pooling;
mod query_error;
mod retry;
pub mod rule;
mod session;
mod settings;
mod sqlstate;
mod transaction;

pub use connect::{
    ConnectError, Connector, PasswordCommand, PasswordCommandError, Pool, PooledClient,
    TlsSetupError,
};
pub use database::{BeginError, Database};
pub use pooling::Pooling;
pub use query_error::QueryError;
pub use retry::{RetryOutcome, RetryPolicy, retry};
pub use session::{Param, Queries, Session};
pub use settings::{ConnectionSettings, ConnectionString, Environment, Origin, SettingsError};
pub use sqlstate::{ErrorClass, classify};
pub use transaction::{
    CommitError, Contention, Durability, Joins, Mode, Transaction, TransactionSettings,
};
