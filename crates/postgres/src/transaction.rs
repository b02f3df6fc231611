//! Transactions: one way in, with bounded waits, and one way out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::connect::Connector;
use crate::query_error::QueryError;
use crate::session::{Param, Queries, Session};

/// How long a transaction may wait, and what it sees; all of it local to the transaction, so that
/// nothing leaks to the next client of a pooled connection.
#[derive(Debug, Clone)]
pub struct TransactionSettings {
    /// Longest wait for one lock. Zero would wait for ever and is not possible.
    pub lock_timeout: Duration,
    /// Whose locks are waited for.
    pub contention: Contention,
    /// Longest time for one statement; `None` for work whose length nobody knows (an index, a
    /// validation), which must then hold no lock that blocks writes.
    pub statement_timeout: Option<Duration>,
    /// How long the server keeps the transaction when we fall silent.
    pub idle_timeout: Duration,
    /// Whether COMMIT waits for the flush.
    pub durability: Durability,
    /// Whether the planner is kept from hashing or sorting whole tables.
    pub joins: Joins,
    /// Isolation and access mode.
    pub mode: Mode,
}

/// Whose locks a transaction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contention {
    /// The applications': no wait is longer than half the server's `deadlock_timeout`, so that in
    /// a deadlock we have given way before the server looks for a victim.
    Applications,
    /// Only our own, on the state schema: the whole of `lock_timeout`.
    Runners,
}

/// Whether COMMIT waits for the flush of its WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It waits, also where the role or the database has that switched off.
    Flushed,
    /// It does not: for work that is done again when it was lost, checkpoint and all.
    Deferred,
}

/// Which join methods the server may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// All of them.
    Any,
    /// Nested loops over indexes only: for a chunk against a table of any size, where a hash or
    /// merge join, or a scan of a table that has no statistics yet, would read the whole other
    /// side for each chunk.
    NestedLoop,
}

/// Isolation and access mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// READ COMMITTED, for writes: each statement sees what committed before it.
    Write,
    /// READ COMMITTED, read only: statements that each are a snapshot of their own.
    Read,
    /// REPEATABLE READ, read only: several statements on one snapshot.
    Snapshot,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(200),
            contention: Contention::Applications,
            statement_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Duration::from_secs(10),
            durability: Durability::Flushed,
            joins: Joins::Any,
            mode: Mode::Write,
        }
    }
}

/// One round trip for all settings. `search_path` and the settings that change the text of values
/// are those under which the trigger functions run, so that every expression means the same in
/// trigger, chunk and comparison.
const SETTINGS: &str = "select pg_catalog.set_config('lock_timeout', (case when $6 then least($1, greatest(1, \
         500 * extract(epoch from pg_catalog.current_setting('deadlock_timeout')::interval))::int8) \
         else $1 end)::text, true), \
     pg_catalog.set_config('statement_timeout', $2, true), \
     pg_catalog.set_config('idle_in_transaction_session_timeout', $3, true), \
     pg_catalog.set_config('synchronous_commit', case when $4 then 'off' \
         else coalesce(nullif(pg_catalog.current_setting('synchronous_commit'), 'off'), 'on') end, true), \
     pg_catalog.set_config('enable_hashjoin', case when $5 then 'off' \
         else pg_catalog.current_setting('enable_hashjoin') end, true), \
     pg_catalog.set_config('enable_mergejoin', case when $5 then 'off' \
         else pg_catalog.current_setting('enable_mergejoin') end, true), \
     pg_catalog.set_config('enable_seqscan', case when $5 then 'off' \
         else pg_catalog.current_setting('enable_seqscan') end, true), \
     pg_catalog.set_config('jit', case when $5 then 'off' \
         else pg_catalog.current_setting('jit') end, true), \
     pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), \
     pg_catalog.set_config('row_security', 'off', true), \
     pg_catalog.set_config('timezone', 'UTC', true), \
     pg_catalog.set_config('datestyle', 'ISO, MDY', true), \
     pg_catalog.set_config('intervalstyle', 'postgres', true), \
     pg_catalog.set_config('extra_float_digits', '1', true), \
     pg_catalog.set_config('bytea_output', 'hex', true), \
     pg_catalog.set_config('standard_conforming_strings', 'on', true), \
     pg_catalog.set_config('transform_null_equals', 'off', true), \
     pg_catalog.set_config('array_nulls', 'on', true), \
     pg_catalog.set_config('xmloption', 'content', true), \
     pg_catalog.set_config('xmlbinary', 'base64', true), \
     pg_catalog.set_config('lc_monetary', 'C', true), \
     pg_catalog.set_config('lc_numeric', 'C', true), \
     pg_catalog.set_config('lc_time', 'C', true)";

/// An open transaction. Ends by [`commit`](Self::commit) or [`rollback`](Self::rollback); one that
/// is dropped cancels its statement and closes its connection.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is cancelled and its connection closed"]
pub struct Transaction {
    // None only after the transaction has ended.
    session: Option<Session>,
    connector: Connector,
    failed: AtomicBool,
}

/// Why a COMMIT did not give the answer "committed".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// A statement had failed before; the transaction was rolled back.
    #[error("a statement of the transaction had failed, so it was rolled back")]
    Poisoned,
    /// The server refused: nothing of the transaction stands.
    #[error("the server refused the commit; nothing of the transaction stands")]
    Refused(#[source] QueryError),
    /// No answer came. Whether the transaction committed is told by the state that it wrote,
    /// read after the lease was taken anew: that waits for the transaction's own lock on it.
    #[error(
        "the connection was lost during the commit; whether it committed is read from the state"
    )]
    Unknown(#[source] QueryError),
}

impl Transaction {
    /// Opens a transaction on `session` with bounded waits.
    pub async fn begin(
        session: Session,
        connector: &Connector,
        settings: &TransactionSettings,
    ) -> Result<Self, QueryError> {
        let begin = match settings.mode {
            Mode::Write => "begin isolation level read committed read write",
            Mode::Read => "begin isolation level read committed read only",
            Mode::Snapshot => "begin isolation level repeatable read read only",
        };
        let transaction = Self {
            session: Some(session),
            connector: connector.clone(),
            failed: AtomicBool::new(false),
        };
        transaction.batch(begin).await.map_err(|error| {
            // Only a standby cannot begin to write.
            let writes = settings.mode == Mode::Write;
            if writes && error.is(&SqlState::FEATURE_NOT_SUPPORTED) {
                error.of_standby()
            } else {
                error
            }
        })?;
        let lock = i64::try_from(settings.lock_timeout.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let statement = settings
            .statement_timeout
            .map_or_else(|| "0".to_owned(), millis);
        let idle = millis(settings.idle_timeout);
        let deferred = settings.durability == Durability::Deferred
            || !crate::rule::holds("postgres/flushed-commit");
        let yields = settings.contention == Contention::Applications
            && crate::rule::holds("postgres/yield-first");
        let nested = settings.joins == Joins::NestedLoop;
        transaction
            .query(
                SETTINGS,
                &[
                    (&lock, Type::INT8),
                    (&statement, Type::TEXT),
                    (&idle, Type::TEXT),
                    (&deferred, Type::BOOL),
                    (&nested, Type::BOOL),
                    (&yields, Type::BOOL),
                ],
            )
            .await?;
        Ok(transaction)
    }

    /// Sets one setting for the rest of the transaction.
    pub async fn set_local(&self, name: &str, value: &str) -> Result<(), QueryError> {
        self.query(
            "select pg_catalog.set_config($1, $2, true)",
            &[(&name, Type::TEXT), (&value, Type::TEXT)],
        )
        .await?;
        Ok(())
    }

    /// Commits, and says so only when the server did.
    ///
    /// A COMMIT in a transaction in which a statement failed is answered with ROLLBACK, and the
    /// driver reports that as success. Hence two guards: any error seen here forbids the COMMIT,
    /// and a statement in front of it, in the same message, fails in an aborted transaction.
    pub async fn commit(mut self) -> Result<Session, CommitError> {
        let guarded = crate::rule::holds("postgres/commit-guards");
        if guarded && self.failed.load(Ordering::Relaxed) {
            // The transaction is aborted on the server whether or not this reaches it.
            if let Err(error) = self.rollback().await {
                tracing::debug!(error = %error, "rollback after a failed statement");
            }
            return Err(CommitError::Poisoned);
        }
        crate::failpoint::hit("transaction/before-commit");
        let commit = if guarded {
            "select 1; commit"
        } else {
            "commit"
        };
        let outcome = self.batch(commit).await;
        crate::failpoint::hit("transaction/after-commit");
        match outcome {
            Ok(()) => match self.session.take() {
                Some(session) => Ok(session),
                None => unreachable!("the session is taken only where the transaction ends"),
            },
            Err(error) if error.sqlstate().is_some() && !ends_session(&error) => {
                Err(CommitError::Refused(error))
            }
            Err(error) => Err(CommitError::Unknown(error)),
        }
    }

    /// Rolls back after an error that is reported anyway: what this meets in turn is only noted.
    pub async fn abandon(self) {
        if let Err(second) = self.rollback().await {
            tracing::debug!(error = %second, "rollback after an error");
        }
    }

    /// Rolls back and gives the connection back.
    pub async fn rollback(mut self) -> Result<Session, QueryError> {
        match self.batch("rollback").await {
            Ok(()) => match self.session.take() {
                Some(session) => Ok(session),
                None => unreachable!("the session is taken only where the transaction ends"),
            },
            Err(error) => Err(error),
        }
    }

    /// What it takes to cancel the statement that runs here.
    pub fn cancel_token(&self) -> tokio_postgres::CancelToken {
        self.session().cancel_token()
    }

    fn session(&self) -> &Session {
        match &self.session {
            Some(session) => session,
            None => unreachable!("the session is taken only where the transaction ends"),
        }
    }

    fn noting<T>(&self, result: Result<T, QueryError>) -> Result<T, QueryError> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Queries for Transaction {
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, QueryError> {
        self.noting(self.session().send_query(sql, params).await)
    }

    async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, QueryError> {
        self.noting(self.session().send_execute(sql, params).await)
    }

    async fn batch(&self, sql: &str) -> Result<(), QueryError> {
        self.noting(self.session().batch(sql).await)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if session.is_closed() {
            return;
        }
        // A dropped future leaves its statement running on the server, with its locks: it is
        // cancelled, and only then is the connection closed, which rolls back.
        let token = session.cancel_token();
        let connector = self.connector.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = connector.cancel(&token).await {
                    tracing::debug!(error = %error, "cancelling an abandoned transaction");
                }
                session.discard();
            });
        } else {
            session.discard();
        }
    }
}

/// Whether the server ended the session with this error: it may have done so after the commit.
fn ends_session(error: &QueryError) -> bool {
    error.class() == crate::sqlstate::ErrorClass::Reconnect
}

/// Milliseconds as PostgreSQL reads them; at least one, since zero switches a timeout off.
fn millis(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}
