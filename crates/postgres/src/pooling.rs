//! Whether a pooler stands between us and the server, and whether it gives the transactions of one
//! connection to several backends.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::connect::CancelKey;
use crate::query_error::QueryError;
use crate::session::{Queries, Session};

/// What answers a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The server itself, or something that passes on what it says without a change: what is set in
    /// a session stays in it.
    None,
    /// A pooler, and each connection seemed to have a backend to itself. That is how one in session
    /// mode looks, but also one in transaction mode of which no two connections met: several of
    /// them behind one address, say.
    Undecided,
    /// A pooler that gives the transactions of one connection to several backends, or those of
    /// several connections to one: whatever is set in a session is somebody else's next.
    Transaction,
}

/// How often the two connections take turns. A pool that is idle shows in the first round; in one
/// that is at work each round is another chance to meet.
const ROUNDS: u32 = 4;

/// How long an answer may take. In a pool in session mode that has no second server connection for
/// us it would never come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The backend that answers. Those of two servers may have the same process id.
const BACKEND: &str = "select pg_catalog.pg_backend_pid(), \
     (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::int8";

type Backend = (i32, i64);

/// Finds out what answers two connections that were made in the same way. A few statements, no
/// transaction that is kept open, nothing that is left behind. The connections are used up.
///
/// A pooler makes up the process id that its greeting gives for cancel requests; the server gives
/// the backend's own. Each connection asks twice in a row, which shows a pool that deals its
/// backends out in turn, and then the other one does, which shows one that gives out the last used:
/// both connections get the same, in a pool of a single one too.
pub(crate) async fn pooling(first: Session, second: Session) -> Result<Pooling, QueryError> {
    let unpooled = is_unpooled(&first).await?;
    let rounds = if unpooled { 1 } else { ROUNDS };
    Ok(match meet(&first, &second, rounds).await? {
        Some(true) => Pooling::Transaction,
        Some(false) if unpooled => Pooling::None,
        Some(false) => Pooling::Undecided,
        None => {
            // Nobody else may meet the answer that is still to come.
            first.discard();
            second.discard();
            Pooling::Undecided
        }
    })
}

/// Whether a connection changed its backend, or both have the same. `None` if one got no answer.
async fn meet(first: &Session, second: &Session, rounds: u32) -> Result<Option<bool>, QueryError> {
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for _ in 0..rounds {
        for (session, seen) in [first, second].into_iter().zip(&mut seen) {
            for _ in 0..2 {
                let Some(backend) = ask(session).await? else {
                    return Ok(None);
                };
                seen.insert(backend);
            }
        }
        let [of_first, of_second] = &seen;
        if of_first.len() > 1 || of_second.len() > 1 || of_first == of_second {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// Whether the backend that answers is the one that the greeting of the connection announced: then
/// no pooler stands in between.
pub(crate) async fn is_unpooled(session: &Session) -> Result<bool, QueryError> {
    let announced = CancelKey::of(&session.cancel_token()).await;
    let backend = ask(session).await?;
    Ok(announced
        .zip(backend)
        .is_some_and(|(key, (pid, _))| key.pid == pid))
}

/// `None` if no answer came in time.
async fn ask(session: &Session) -> Result<Option<Backend>, QueryError> {
    let Ok(row) = tokio::time::timeout(PATIENCE, session.query_opt(BACKEND, &[])).await else {
        return Ok(None);
    };
    match row? {
        Some(row) => Ok(Some((row.try_get(0)?, row.try_get(1)?))),
        None => unreachable!("a select without a from clause returns one row"),
    }
}
