//! The connection on which an index is built or dropped: past any pooler, so that nobody else gets
//! its settings, and one that the server does not serve any longer than there is a client.

use std::time::Duration;

use crossfade_postgres::{ErrorClass, Queries, QueryError, Session, rule};
use tokio_postgres::types::Type;

use crate::error::EngineError;
use crate::runner::Runner;

/// Without a lock timeout: with one, the statement fails behind any old snapshot and leaves an
/// INVALID index. It is watched instead, and cancelled.
///
/// The keepalives are those of our own side: a runner whose host or network vanished, so that
/// nothing ever closes the connection, is missed within about a minute. Over a Unix socket they
/// mean nothing and do no harm.
const SETTINGS: &str = "set lock_timeout = 0; set statement_timeout = 0; \
     set idle_session_timeout = 0; set search_path = pg_catalog, pg_temp; \
     set default_transaction_read_only = off; \
     set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3";

const DEADLOCK_TIMEOUT: &str = "select s.setting::int8 as ms, pg_catalog.pg_backend_pid() as pid \
     from pg_catalog.pg_settings s where s.name = 'deadlock_timeout'";

const END_WITH_CLIENT: &str =
    "select pg_catalog.set_config('client_connection_check_interval', $1, false)";

/// How soon things must happen, so that they have happened before the server looks for a deadlock
/// and takes an application for its victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// How often it is looked who waits, and whether the runner is there.
    pub(super) look_every: Duration,
    /// Who has waited for so long may soon be taken for the victim.
    pub(super) long_wait: Duration,
}

impl Pace {
    /// For a server that looks for a deadlock after so long. Whoever gave an application a longer
    /// time than the usual second loses nothing by our haste.
    fn of(deadlock_timeout: Duration) -> Self {
        let most = deadlock_timeout.min(Duration::from_secs(1));
        Self {
            look_every: (most / 10).max(Duration::from_millis(10)),
            long_wait: most / 2,
        }
    }

    /// A long wait in milliseconds; one that nobody reaches where that rule is to be broken.
    pub(super) fn long_wait_ms(self) -> i32 {
        if rule::holds("index/gives-way-early") {
            i32::try_from(self.long_wait.as_millis()).unwrap_or(i32::MAX)
        } else {
            i32::MAX
        }
    }
}

/// A connection for one statement after the other, each of which may take as long as it takes.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: Session,
    /// The process of the server that serves it.
    pub(super) pid: i32,
    pub(super) pace: Pace,
}

impl Connection {
    /// Opens one; `role` is what its statements do.
    pub(super) async fn open(runner: &Runner<'_>, role: &str) -> Result<Self, EngineError> {
        let session = runner.engine.database().direct(&runner.tag(role)).await?;
        session.batch(SETTINGS).await?;
        let row = session.query_opt(DEADLOCK_TIMEOUT, &[]).await?;
        let Some(row) = row else {
            unreachable!("every server has a deadlock_timeout");
        };
        let ms: i64 = row.try_get("ms").map_err(QueryError::from)?;
        let pid = row.try_get("pid").map_err(QueryError::from)?;
        let pace = Pace::of(Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        if rule::holds("index/ends-with-runner") {
            end_with_client(&session, pace.look_every).await?;
        }
        Ok(Self { session, pid, pace })
    }
}

/// Lets the server look every so often, in the midst of a statement, whether the client is there,
/// and end the statement if it is not.
///
/// Left alone, a build goes on until its end: a TRUNCATE waits for it, everybody for the TRUNCATE,
/// and the build for the snapshots of those, with no runner to see it.
async fn end_with_client(session: &Session, every: Duration) -> Result<(), EngineError> {
    let every = format!("{}ms", every.as_millis());
    let set = session
        .query_opt(END_WITH_CLIENT, &[(&every, Type::TEXT)])
        .await;
    match set {
        Ok(_) => Ok(()),
        Err(error) if error.sqlstate().is_some() && error.class() != ErrorClass::Reconnect => {
            tracing::debug!(error = %error, "the server cannot see that a client is gone");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_happens_well_before_the_server_looks_for_a_deadlock() {
        let ms = Duration::from_millis;
        for (timeout, look_every, long_wait) in [
            (1_000, 100, 500),
            (200, 20, 100),
            (20, 10, 10),
            (2, 10, 1),
            (100_000, 100, 500),
        ] {
            let wanted = Pace {
                look_every: ms(look_every),
                long_wait: ms(long_wait),
            };
            assert_eq!(Pace::of(ms(timeout)), wanted, "of {timeout} ms");
        }
    }
}
