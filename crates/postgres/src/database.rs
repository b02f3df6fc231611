//! The database that a command works on: a pool for the general path, direct connections for what
//! no transaction and no pooler can hold.

use crate::connect::{ConnectError, Connector, Pool};
use crate::pooling::{self, Pooling};
use crate::query_error::QueryError;
use crate::session::Session;
use crate::transaction::{Transaction, TransactionSettings};

/// Why there is no transaction, or no connection that is fit for what it is wanted for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refused to begin, or the settings of the transaction, or to say who it is.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// How to reach one database. Cheap to clone; clones share the pool.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Pool,
    connector: Connector,
    direct: Connector,
}

impl Database {
    /// Puts a pool on `connector`; `direct` is the way past a pooler, the same connector where
    /// there is none.
    pub fn new(connector: Connector, direct: Connector, pool: Pool) -> Self {
        Self {
            pool,
            connector,
            direct,
        }
    }

    /// A connection of the pool, for single statements. `tag` names the work, as in
    /// `orders_id/backfill`.
    pub async fn session(&self, tag: &str) -> Result<Session, ConnectError> {
        Ok(Session::pooled(self.pool.get().await?, tag))
    }

    /// A transaction on a connection of the pool.
    pub async fn begin(
        &self,
        tag: &str,
        settings: &TransactionSettings,
    ) -> Result<Transaction, BeginError> {
        let session = self.session(tag).await?;
        Ok(Transaction::begin(session, &self.connector, settings).await?)
    }

    /// A connection of its own past any pooler, for statements that no transaction can hold.
    ///
    /// [`ConnectError::Pooled`] where a pooler in transaction mode answers: what the statements set
    /// in their session would be left to an application.
    pub async fn direct(&self, tag: &str) -> Result<Session, BeginError> {
        let session = self.direct_session(tag).await?;
        if !pooling::is_unpooled(&session).await?
            && self.direct_pooling(tag).await? == Pooling::Transaction
        {
            let server = self.direct.settings().to_string();
            return Err(ConnectError::Pooled { server }.into());
        }
        Ok(session)
    }

    /// Whether there is a way past a pooler that is not the general path itself.
    pub fn has_direct_way(&self) -> bool {
        !self.direct.is_the_same_as(&self.connector)
    }

    /// What answers on the general path. Takes two connections out of the pool for a moment.
    pub async fn pooling(&self, tag: &str) -> Result<Pooling, BeginError> {
        let sessions = (self.session(tag).await?, self.session(tag).await?);
        Ok(pooling::pooling(sessions.0, sessions.1).await?)
    }

    /// What answers on [`direct`](Self::direct) connections. Opens two and closes them.
    pub async fn direct_pooling(&self, tag: &str) -> Result<Pooling, BeginError> {
        let sessions = (
            self.direct_session(tag).await?,
            self.direct_session(tag).await?,
        );
        Ok(pooling::pooling(sessions.0, sessions.1).await?)
    }

    async fn direct_session(&self, tag: &str) -> Result<Session, ConnectError> {
        Ok(Session::direct(self.direct.connect(tag).await?, tag))
    }

    /// Cancels what runs on a connection of [`direct`](Self::direct).
    pub async fn cancel_direct(
        &self,
        token: &tokio_postgres::CancelToken,
    ) -> Result<(), ConnectError> {
        self.direct.cancel(token).await
    }
}
