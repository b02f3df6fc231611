//! Doing it again: one policy for lock timeouts and other passing failures.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// How often and how long a passing failure is met by another attempt.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// First pause; each later one is longer, up to `longest_pause`, with jitter.
    pub first_pause: Duration,
    /// Longest pause between two attempts.
    pub longest_pause: Duration,
    /// After this time no further attempt begins.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(10),
            give_up_after: Duration::from_mins(5),
        }
    }
}

/// What became of work that was tried again and again.
#[derive(Debug)]
pub enum RetryOutcome<T, E> {
    /// It succeeded, after so many failed attempts.
    Done {
        /// The result.
        value: T,
        /// Attempts that failed before.
        failed_attempts: u32,
    },
    /// It failed in a way that another attempt does not mend.
    Failed(E),
    /// The time was up; the last passing failure.
    GaveUp {
        /// The last error.
        error: E,
        /// How many attempts were made.
        attempts: u32,
    },
}

/// Runs `attempt` until it succeeds, fails for good (`passes` says no), or the time is up.
///
/// Pauses grow and are jittered: two sessions that keep missing each other fall out of step, and
/// the applications behind a queued lock request get through between two attempts. `before_pause`
/// is told of each failure and the pause that follows.
pub async fn retry<T, E, Attempt, Fut>(
    policy: RetryPolicy,
    mut attempt: Attempt,
    passes: impl Fn(&E) -> bool,
    mut before_pause: impl FnMut(&E, Duration),
) -> RetryOutcome<T, E>
where
    Attempt: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let started = tokio::time::Instant::now();
    let mut backoff = ExponentialBuilder::default()
        .with_min_delay(policy.first_pause)
        .with_max_delay(policy.longest_pause)
        .without_max_times()
        .with_jitter()
        .build();
    let mut failed_attempts = 0;
    loop {
        match attempt().await {
            Ok(value) => {
                return RetryOutcome::Done {
                    value,
                    failed_attempts,
                };
            }
            Err(error) if !passes(&error) => return RetryOutcome::Failed(error),
            Err(error) => {
                failed_attempts += 1;
                let pause = backoff.next().unwrap_or(policy.longest_pause);
                if started.elapsed() + pause > policy.give_up_after {
                    return RetryOutcome::GaveUp {
                        error,
                        attempts: failed_attempts,
                    };
                }
                before_pause(&error, pause);
                tokio::time::sleep(pause).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick() -> RetryPolicy {
        RetryPolicy {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(2),
            give_up_after: Duration::from_millis(50),
        }
    }

    #[tokio::test]
    async fn passing_failures_are_tried_again_and_counted() {
        let mut left = 3;
        let outcome = retry(
            quick(),
            || {
                left -= 1;
                let result = if left > 0 { Err("busy") } else { Ok(left) };
                async move { result }
            },
            |error| *error == "busy",
            |_, _| {},
        )
        .await;
        assert!(
            matches!(
                outcome,
                RetryOutcome::Done {
                    value: 0,
                    failed_attempts: 2
                }
            ),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn what_does_not_pass_ends_at_once() {
        let outcome: RetryOutcome<(), _> =
            retry(quick(), || async { Err("broken") }, |_| false, |_, _| {}).await;
        assert!(
            matches!(outcome, RetryOutcome::Failed("broken")),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn it_gives_up_when_the_time_is_up() {
        let mut pauses = 0;
        let outcome: RetryOutcome<(), _> = retry(
            quick(),
            || async { Err("busy") },
            |_| true,
            |_, _| pauses += 1,
        )
        .await;
        let RetryOutcome::GaveUp { attempts, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(attempts, pauses + 1);
    }
}
