//! Sessions: the only way a statement is sent, safe behind a pooler in transaction mode.
//!
//! Statements are unnamed and typed: a named one, a session SET or a session lock would stay on a
//! server connection that a transaction pooler hands to somebody else next. Results are cast to
//! built-in types in the SQL, since the driver prepares a look-up for any type it does not know.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CancelToken, Client, Row};

use crate::query_error::QueryError;

/// A parameter with the type by which the server is to read it.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// What can run statements: a [`Session`] (each statement its own transaction) or an open
/// [`Transaction`](crate::Transaction).
pub trait Queries: Sync {
    /// Runs one statement and returns its rows, all of them: nothing is left in the stream.
    fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, QueryError>> + Send;

    /// Runs one statement and returns how many rows it touched.
    fn execute(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<u64, QueryError>> + Send;

    /// Runs statements without parameters or results, separated by semicolons.
    fn batch(&self, sql: &str) -> impl Future<Output = Result<(), QueryError>> + Send;

    /// Runs a statement that returns at most one row; further rows are ignored.
    fn query_opt(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Option<Row>, QueryError>> + Send {
        async { Ok(self.query(sql, params).await?.into_iter().next()) }
    }
}

enum Handle {
    Pooled(crate::connect::PooledClient),
    Direct(Client),
}

/// Where a role's transactions only read unless they are told otherwise. Nothing is set in the
/// session: behind a pooler it is somebody else's next.
const BEGIN_TO_WRITE: &str = "begin isolation level read committed read write";

/// One connection, ours until it is dropped; then it goes back to its pool, or closes.
pub struct Session {
    // None only once it is dropped.
    handle: Option<Handle>,
    tag: String,
    // Whether a transaction of a single statement was left open.
    left_open: AtomicBool,
}

impl Session {
    /// Takes a connection out of a pool; `tag` names the work in the server's logs and views.
    pub fn pooled(object: crate::connect::PooledClient, tag: &str) -> Self {
        Self::of(Handle::Pooled(object), tag)
    }

    /// Takes a connection of its own.
    pub fn direct(client: Client, tag: &str) -> Self {
        Self::of(Handle::Direct(client), tag)
    }

    fn of(handle: Handle, tag: &str) -> Self {
        Self {
            handle: Some(handle),
            tag: comment(tag),
            left_open: AtomicBool::new(false),
        }
    }

    /// What it takes to cancel the statement that runs here. Dropping a future does not: the
    /// server goes on until it is told to stop.
    pub fn cancel_token(&self) -> CancelToken {
        self.client().cancel_token()
    }

    /// Whether the connection is known to be gone.
    pub fn is_closed(&self) -> bool {
        self.client().is_closed()
    }

    /// Closes the connection instead of giving it back: nobody else may meet what was left on it.
    pub fn discard(mut self) {
        self.close();
    }

    fn close(&mut self) {
        match self.handle.take() {
            Some(Handle::Pooled(object)) => drop(crate::connect::PooledClient::take(object)),
            Some(Handle::Direct(client)) => drop(client),
            None => {}
        }
    }

    fn client(&self) -> &Client {
        match &self.handle {
            Some(Handle::Pooled(object)) => object,
            Some(Handle::Direct(client)) => client,
            None => unreachable!("the connection is taken only when the session is dropped"),
        }
    }

    /// Runs one statement as it is, in whatever transaction is open.
    pub(crate) async fn send_query(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, QueryError> {
        self.client()
            .query_typed(&self.tagged(sql), params)
            .await
            .map_err(|error| self.located(error))
    }

    /// The same, for the number of rows.
    pub(crate) async fn send_execute(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64, QueryError> {
        self.client()
            .execute_typed(&self.tagged(sql), params)
            .await
            .map_err(|error| self.located(error))
    }

    /// Runs a statement again that was refused since transactions of this role only read by default.
    async fn writing<T>(
        &self,
        refused: QueryError,
        again: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<T, QueryError> {
        if let Err(error) = self.batch(BEGIN_TO_WRITE).await {
            let standby = error.is(&SqlState::FEATURE_NOT_SUPPORTED);
            return Err(if standby {
                refused.of_standby()
            } else {
                refused
            });
        }
        // Whoever drops this future leaves the transaction open.
        self.left_open.store(true, Ordering::Relaxed);
        let result = again.await;
        let end = if result.is_ok() { "commit" } else { "rollback" };
        let ended = self.batch(end).await;
        self.left_open.store(ended.is_err(), Ordering::Relaxed);
        let value = result?;
        ended.map(|()| value)
    }

    fn tagged(&self, sql: &str) -> String {
        format!("{}{sql}", self.tag)
    }

    /// The error with its position in the statement as it was given to us, without the tag.
    fn located(&self, error: tokio_postgres::Error) -> QueryError {
        QueryError::from(error).without_prefix(self.tag.len())
    }
}

impl Queries for Session {
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, QueryError> {
        match self.send_query(sql, params).await {
            Err(refused) if refused.is(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                Box::pin(self.writing(refused, self.send_query(sql, params))).await
            }
            result => result,
        }
    }

    async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, QueryError> {
        match self.send_execute(sql, params).await {
            Err(refused) if refused.is(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                Box::pin(self.writing(refused, self.send_execute(sql, params))).await
            }
            result => result,
        }
    }

    async fn batch(&self, sql: &str) -> Result<(), QueryError> {
        self.client()
            .batch_execute(&self.tagged(sql))
            .await
            .map_err(|error| self.located(error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.left_open.load(Ordering::Relaxed) {
            self.close();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

/// Makes the comment that goes in front of each statement. A tag holds our own names only; what
/// could end the comment is dropped all the same.
fn comment(tag: &str) -> String {
    let clean: String = tag
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-/.".contains(*c))
        .collect();
    format!("/* crossfade:{clean} */ ")
}
