//! What the collectors have found out last, and the verdict on it. Pure: the time is given.

use std::time::Duration;

use crossfade_plan::file::PlanDuration;
use tokio::time::Instant;

use crate::NO_ANSWER;
use crate::replicas::Lag;
use crate::settings::{SettingError, Settings};
use crate::verdict::{Reason, Verdict, Wait};

/// How long a sample is believed when no other one follows.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What a DBA reads first.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    /// What the pacing follows.
    pub(crate) settings: Settings,
    /// What people want.
    pub(crate) control: Signal<Wanted>,
    /// How far replicas are behind; looked at only while there is a limit.
    pub(crate) lag: Signal<Lag>,
}

/// What people want of the migration, beyond the settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// No chunk is to begin.
    pub(crate) paused: bool,
    /// A stored setting that cannot be read.
    pub(crate) unreadable: Option<SettingError>,
}

/// The last sample of one source, and what is wrong since.
#[derive(Debug, Clone)]
pub(crate) struct Signal<T> {
    sample: Option<(T, Instant)>,
    failure: Option<String>,
}

impl<T> Signal<T> {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self {
            sample: None,
            failure: None,
        }
    }

    /// A look that succeeded.
    pub(crate) fn found(&mut self, sample: T, at: Instant) {
        *self = Self {
            sample: Some((sample, at)),
            failure: None,
        };
    }

    /// A look at `what` that failed: the last sample stands for a while.
    pub(crate) fn failed(&mut self, what: &str, failure: String) {
        if self.failure.is_none() {
            tracing::warn!(failure, "looking at {what} failed");
        }
        self.failure = Some(failure);
    }

    /// The last sample, however old.
    pub(crate) fn last(&self) -> Option<&T> {
        self.sample.as_ref().map(|(sample, _)| sample)
    }

    /// The last sample if it can still be believed, else why there is none.
    fn current(&self, now: Instant) -> Result<&T, &str> {
        match &self.sample {
            Some((sample, at)) if now.saturating_duration_since(*at) < PATIENCE => Ok(sample),
            _ => Err(self.failure.as_deref().unwrap_or(NO_ANSWER)),
        }
    }
}

impl Board {
    /// Nothing is known yet but the settings of the plan file.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            control: Signal::new(),
            lag: Signal::new(),
        }
    }

    /// May a chunk begin?
    pub(crate) fn verdict(&self, now: Instant) -> Verdict {
        match self.control_wait(now).or_else(|| self.lag_wait(now)) {
            Some(wait) => Verdict::Wait(wait),
            None => Verdict::Go,
        }
    }

    fn control_wait(&self, now: Instant) -> Option<Wait> {
        let missing = |text: String, metric: &'static str| Wait {
            reason: Reason::SignalMissing,
            text,
            metric: Some(metric),
            value: None,
            threshold: None,
        };
        // A wish to pause stands even when nothing newer is known.
        if self.control.last().is_some_and(|wanted| wanted.paused) {
            return Some(Wait {
                reason: Reason::Paused,
                text: "paused".to_owned(),
                metric: None,
                value: None,
                threshold: None,
            });
        }
        match self.control.current(now) {
            Err(why) => Some(missing(
                format!("what is wanted of the migration is unknown: {why}"),
                "control",
            )),
            Ok(wanted) => wanted.unreadable.as_ref().map(|error| {
                let text = format!("a live setting cannot be followed, set it anew: {error}");
                missing(text, "control")
            }),
        }
    }

    fn lag_wait(&self, now: Instant) -> Option<Wait> {
        let limit = self.settings.max_replica_lag?;
        let wait = |reason, text: String, value: Option<String>| {
            Some(Wait {
                reason,
                text,
                metric: Some("max_replica_lag"),
                value,
                threshold: Some(millis(limit)),
            })
        };
        let missing = |why: &str| {
            wait(
                Reason::SignalMissing,
                format!("replica lag is unknown: {why}"),
                None,
            )
        };
        let lag = match self.lag.current(now) {
            Ok(lag) => lag,
            Err(why) => return missing(why),
        };
        if let Some(worst) = &lag.worst
            && worst.lag > limit
        {
            let text = format!("lag of replica {}", worst.replica);
            return wait(Reason::ReplicaLag, text, Some(millis(worst.lag)));
        }
        lag.unknown.as_deref().and_then(missing)
    }
}

/// A duration for people, in whole milliseconds. A part of one counts as one: what is over its
/// limit must not look like the limit.
fn millis(duration: Duration) -> String {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    PlanDuration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).to_string()
}

#[cfg(test)]
mod tests {
    use crossfade_plan::file::PlanFile;

    use super::*;
    use crate::replicas::Worst;

    /// Somebody runs it, and nothing is in the way; the limit of lag is 1500 ms.
    fn board(now: Instant) -> Board {
        let text = "name: a\ntable: a\noperations:\n  - drop_column: { column: a }\n";
        let plan = PlanFile::parse(text).expect("a plan").plan;
        let mut board = Board::new(Settings::of(&plan));
        board.control.found(
            Wanted {
                paused: false,
                unreadable: None,
            },
            now,
        );
        board.lag.found(Lag::default(), now);
        board
    }

    fn lag(millis: u64) -> Lag {
        let lag = Duration::from_millis(millis);
        Lag {
            worst: Some(Worst {
                replica: "b".to_owned(),
                lag,
            }),
            unknown: None,
        }
    }

    fn wait(board: &Board, now: Instant) -> Wait {
        match board.verdict(now) {
            Verdict::Wait(wait) => wait,
            Verdict::Go => panic!("it goes"),
        }
    }

    #[test]
    fn before_the_first_sample_nothing_goes() {
        let now = Instant::now();
        let full = board(now);
        assert_eq!(full.verdict(now), Verdict::Go);
        let mut unknown = full.clone();
        unknown.lag = Signal::new();
        assert_eq!(wait(&unknown, now).reason, Reason::SignalMissing);
        let unknown = Board {
            control: Signal::new(),
            ..full
        };
        assert_eq!(wait(&unknown, now).metric, Some("control"));
    }

    #[test]
    fn lag_waits_over_its_limit_and_not_at_it() {
        let now = Instant::now();
        let mut board = board(now);
        board.lag.found(lag(1500), now);
        assert_eq!(board.verdict(now), Verdict::Go);
        board.lag.found(lag(1501), now);
        let expected = Wait {
            reason: Reason::ReplicaLag,
            text: "lag of replica b".to_owned(),
            metric: Some("max_replica_lag"),
            value: Some("1501ms".to_owned()),
            threshold: Some("1500ms".to_owned()),
        };
        assert_eq!(wait(&board, now), expected);
        assert_eq!(
            expected.to_string(),
            "lag of replica b is 1501ms, the limit is 1500ms"
        );
        board.settings.max_replica_lag = Some(Duration::from_secs(2));
        assert_eq!(board.verdict(now), Verdict::Go);
    }

    #[test]
    fn a_part_of_a_millisecond_over_the_limit_shows() {
        assert_eq!(millis(Duration::from_micros(1_500_001)), "1501ms");
        assert_eq!(millis(Duration::from_secs(3)), "3s");
    }

    #[test]
    fn unknown_lag_waits_unless_a_known_one_is_over_its_limit() {
        let now = Instant::now();
        let mut board = board(now);
        let unknown = Some("gone".to_owned());
        board.lag.found(
            Lag {
                unknown: unknown.clone(),
                ..lag(1)
            },
            now,
        );
        let found = wait(&board, now);
        assert_eq!((found.reason, found.value), (Reason::SignalMissing, None));
        assert!(found.text.contains("gone"), "{}", found.text);
        board.lag.found(
            Lag {
                unknown,
                ..lag(9000)
            },
            now,
        );
        assert_eq!(wait(&board, now).reason, Reason::ReplicaLag);
    }

    #[test]
    fn without_a_limit_lag_does_not_matter() {
        let now = Instant::now();
        let mut board = board(now);
        board.lag = Signal::new();
        board.settings.max_replica_lag = None;
        assert_eq!(board.verdict(now), Verdict::Go);
    }

    #[test]
    fn a_sample_is_believed_for_15_seconds() {
        let now = Instant::now();
        let mut board = board(now);
        board
            .lag
            .failed("lag", "the connection to the server was lost".to_owned());
        let later = now
            + PATIENCE
                .checked_sub(Duration::from_millis(1))
                .expect("longer");
        assert_eq!(board.verdict(later), Verdict::Go);
        board.control.found(
            Wanted {
                paused: false,
                unreadable: None,
            },
            later,
        );
        let found = wait(&board, now + PATIENCE);
        assert_eq!(found.reason, Reason::SignalMissing);
        assert!(
            found.text.contains("connection to the server was lost"),
            "{}",
            found.text
        );
        board.lag.found(Lag::default(), later);
        assert_eq!(board.verdict(now + PATIENCE), Verdict::Go);
        // Both were sampled last at `later`.
        assert_eq!(wait(&board, later + PATIENCE).metric, Some("control"));
    }

    #[test]
    fn a_pause_stands_before_all_else_and_does_not_age() {
        let now = Instant::now();
        let mut board = board(now);
        board.lag.found(lag(9000), now);
        board.control.found(
            Wanted {
                paused: true,
                unreadable: None,
            },
            now,
        );
        assert_eq!(wait(&board, now + 10 * PATIENCE).reason, Reason::Paused);
    }

    #[test]
    fn a_setting_that_cannot_be_read_stops_the_work_and_is_named() {
        let now = Instant::now();
        let mut board = board(now);
        let unreadable = Some(SettingError::Invalid {
            key: "nice_ratio",
            message: "nice_ratio is 0 to 100".to_owned(),
            help: None,
        });
        board.control.found(
            Wanted {
                paused: false,
                unreadable,
            },
            now,
        );
        let found = wait(&board, now);
        assert_eq!(found.reason, Reason::SignalMissing);
        assert!(
            found.text.contains("nice_ratio is 0 to 100"),
            "{}",
            found.text
        );
    }
}
