//! A statement that may take as long as it takes, and is cancelled when it must not.

use std::time::{Duration, Instant};

use crossfade_postgres::Queries;
use tokio_postgres::error::SqlState;

use super::connection::Connection;
use super::queue::Queue;
use super::sentinel;
use crate::error::EngineError;
use crate::runner::Runner;

/// How often it is looked whom the statement waits for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// After so long, a statement that still runs is told again to end.
const CANCEL_AGAIN: Duration = Duration::from_secs(1);

/// How a watched statement ended, when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Watched {
    /// It came to its end.
    Done,
    /// It was cancelled.
    Cancelled(Because),
}

/// Why a statement was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Because {
    /// Told to stop.
    Stopped,
    /// It was in somebody's way, or nobody could see any more whether it was.
    InTheWay,
    /// It waited for these processes for too long.
    Waited(Vec<i32>),
}

/// Runs one statement until its end, or cancels it when told to stop, when it is in somebody's way,
/// or when it has waited too long without a pause: it has no lock timeout.
pub(super) async fn run(
    runner: &Runner<'_>,
    connection: &Connection,
    statement: &str,
) -> Result<Watched, EngineError> {
    let token = connection.session.cancel_token();
    // Nothing begins before there is somebody to watch it.
    let post = sentinel::post(runner).await?;
    let work = connection.session.batch(statement);
    let sentinel = sentinel::keep(runner, connection, post);
    let patience = until_it_waited(runner, connection);
    tokio::pin!(work, sentinel, patience);
    let because = tokio::select! {
        ended = &mut work => {
            return match ended {
                Ok(()) => Ok(Watched::Done),
                // By the sentinel; should it be a person's doing, there is a reason as well.
                Err(error) if error.is(&SqlState::QUERY_CANCELED) => {
                    Ok(Watched::Cancelled(Because::InTheWay))
                }
                Err(error) => Err(error.into()),
            };
        }
        () = runner.stop().cancelled() => Because::Stopped,
        () = &mut sentinel => Because::InTheWay,
        pids = &mut patience => Because::Waited(pids),
    };
    // Dropping the future would leave the statement running: it is cancelled, and waited for.
    loop {
        if let Err(error) = runner.engine.database().cancel_direct(&token).await {
            tracing::debug!(error = %error, "the index build could not be told to end");
        }
        tokio::select! {
            ended = &mut work => {
                return Ok(ended.map_or(Watched::Cancelled(because), |()| Watched::Done));
            }
            () = tokio::time::sleep(CANCEL_AGAIN) => {}
        }
    }
}

/// Returns whom the statement waits for when it has waited too long, at two looks at least: at one
/// of them it may wait for the sentinel's last transaction.
async fn until_it_waited(runner: &Runner<'_>, connection: &Connection) -> Vec<i32> {
    let mut waits_since: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let looking = async {
            let session = runner.engine.store.session(&runner.tag("look")).await?;
            let source = &runner.plan.mapping.source;
            Queue::around(&session, connection.pid, source, connection.pace).await
        };
        match looking.await {
            Ok(queue) if queue.behind.is_empty() => waits_since = None,
            Ok(queue) => match waits_since {
                None => waits_since = Some(Instant::now()),
                Some(since) if since.elapsed() < runner.engine.limits.max_wait => {}
                Some(_) => return queue.behind,
            },
            // The build has a connection of its own: it tells by itself when that is lost.
            Err(error) => tracing::debug!(error = %error, "nobody knows whom the build waits for"),
        }
    }
}
