//! Sessions: the only way a statement is sent, safe behind a pooler in transaction mode.
//!
//! Statements are unnamed and typed: a named one, a session SET or a session lock would stay on a
//! server connection that a transaction pooler hands to somebody else next. Results are cast to
//! built-in types in the SQL, since the driver prepares a look-up for any type it does not know.

use std::fmt;

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

/// One connection, ours until it is dropped; then it goes back to its pool, or closes.
pub struct Session {
    handle: Handle,
    tag: String,
}

impl Session {
    /// Takes a connection out of a pool; `tag` names the work in the server's logs and views.
    pub fn pooled(object: crate::connect::PooledClient, tag: &str) -> Self {
        Self {
            handle: Handle::Pooled(object),
            tag: comment(tag),
        }
    }

    /// Takes a connection of its own.
    pub fn direct(client: Client, tag: &str) -> Self {
        Self {
            handle: Handle::Direct(client),
            tag: comment(tag),
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
    pub fn discard(self) {
        match self.handle {
            Handle::Pooled(object) => drop(crate::connect::PooledClient::take(object)),
            Handle::Direct(client) => drop(client),
        }
    }

    fn client(&self) -> &Client {
        match &self.handle {
            Handle::Pooled(object) => object,
            Handle::Direct(client) => client,
        }
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
        self.client()
            .query_typed(&self.tagged(sql), params)
            .await
            .map_err(|error| self.located(error))
    }

    async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, QueryError> {
        self.client()
            .execute_typed(&self.tagged(sql), params)
            .await
            .map_err(|error| self.located(error))
    }

    async fn batch(&self, sql: &str) -> Result<(), QueryError> {
        self.client()
            .batch_execute(&self.tagged(sql))
            .await
            .map_err(|error| self.located(error))
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
