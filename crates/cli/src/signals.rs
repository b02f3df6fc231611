//! SIGINT and SIGTERM: the first asks the command to stop at the next good place, the second ends
//! the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Failure};

/// Exit codes of a second signal: 128 and its number.
const SECOND_INTERRUPT: i32 = 130;
const SECOND_TERMINATE: i32 = 143;

/// Listens from now on; the token is cancelled by the first signal of either kind.
pub(crate) fn listen() -> Result<CancellationToken, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::of(Code::Internal, &error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping; a second signal stops at once");
        asked.cancel();
        let code = next(&mut interrupt, &mut terminate).await;
        // Nothing is lost by it: what is not committed rolls back.
        std::process::exit(code);
    });
    Ok(stop)
}

/// Waits for a signal; the exit code that belongs to it.
async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => SECOND_INTERRUPT,
        _ = terminate.recv() => SECOND_TERMINATE,
    }
}
