//! Patience with what passes by itself, for the look-ups around the engine's own work: it tries
//! again for as long as the engine does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossfade_postgres::{RetryOutcome, RetryPolicy, retry};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Failure};
use crate::exit::Exit;

/// Looking costs the server little, and a signal waits for the pause at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long something is tried again.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    max_wait: Duration,
    server: Server,
    stop: CancellationToken,
}

/// What is known of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// Nothing yet: its address may be wrong, and then waiting does not mend it.
    Unknown,
    /// It was there before.
    Known,
}

impl Patience {
    /// For the first look-up of a command. A server that cannot be reached at all is reported at
    /// once; one that goes away after its first answer is waited for.
    pub(crate) fn at_first(max_wait: Duration) -> Self {
        Self {
            max_wait,
            server: Server::Unknown,
            stop: CancellationToken::new(),
        }
    }

    /// For all that follows, until `stop` is cancelled.
    pub(crate) fn later(max_wait: Duration, stop: CancellationToken) -> Self {
        Self {
            max_wait,
            server: Server::Known,
            stop,
        }
    }

    /// Looks until that succeeds or fails for good. What still fails after the longest wait, or
    /// when told to stop, is the error.
    pub(crate) async fn keep_trying<T>(
        &self,
        look: impl AsyncFn() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let policy = RetryPolicy {
            longest_pause: LONGEST_PAUSE,
            give_up_after: self.max_wait,
            ..RetryPolicy::default()
        };
        let answered = AtomicBool::new(self.server == Server::Known);
        let passes = |failure: &Failure| {
            if !is_before_any_answer(failure.code()) {
                answered.store(true, Ordering::Relaxed);
            }
            failure.exit() == Exit::Retryable
                && answered.load(Ordering::Relaxed)
                && !self.stop.is_cancelled()
        };
        let before_pause = |failure: &Failure, pause: Duration| {
            let page = failure.code().page();
            tracing::warn!(code = page.code, ?pause, "{}; trying again", page.title);
        };
        match retry(policy, || look(), passes, before_pause).await {
            RetryOutcome::Done { value, .. } => Ok(value),
            RetryOutcome::Failed(failure) | RetryOutcome::GaveUp { error: failure, .. } => {
                Err(failure)
            }
        }
    }
}

/// Whether a wrong setting can be the reason too.
fn is_before_any_answer(code: Code) -> bool {
    matches!(code, Code::Unreachable | Code::PasswordCommandFailed)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What becomes of a look-up that fails with these codes, one after the other, and then
    /// succeeds; and how often it was made.
    async fn looked(patience: Patience, codes: &[Code]) -> (Option<Code>, usize) {
        let looks = Mutex::new(0);
        let end = patience
            .keep_trying(async || {
                let mut looks = looks.lock().expect("no panic while counting");
                let code = codes.get(*looks);
                *looks += 1;
                match code {
                    Some(code) => Err(Failure::new(*code, "not yet")),
                    None => Ok(()),
                }
            })
            .await;
        let looks = *looks.lock().expect("no panic while counting");
        (end.err().map(|failure| failure.code()), looks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_has_never_answered_is_not_waited_for() {
        let first = || Patience::at_first(Duration::from_mins(5));
        let away = Code::Unreachable;
        assert_eq!(looked(first(), &[away]).await, (Some(away), 1));
        let goes_away = [Code::ConnectionLost, away, away];
        assert_eq!(looked(first(), &goes_away).await, (None, 4));
        let later = Patience::later(Duration::from_mins(5), CancellationToken::new());
        assert_eq!(looked(later, &[away]).await, (None, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_ends_at_once() {
        let later = Patience::later(Duration::from_mins(5), CancellationToken::new());
        let refused = Code::Privilege;
        assert_eq!(looked(later, &[refused]).await, (Some(refused), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn time_and_signals_end_it() {
        let lost = [Code::ConnectionLost; 1000];
        let later = Patience::later(Duration::from_secs(10), CancellationToken::new());
        let (code, looks) = looked(later, &lost).await;
        assert_eq!(code, Some(Code::ConnectionLost));
        assert!((2..100).contains(&looks), "{looks}");
        let stop = CancellationToken::new();
        stop.cancel();
        let later = Patience::later(Duration::from_mins(5), stop);
        assert_eq!(looked(later, &lost).await, (Some(Code::ConnectionLost), 1));
    }
}
