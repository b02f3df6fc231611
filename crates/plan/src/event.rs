//! What a running command tells while it works: the engine sends these events, and reporters
//! (terminal, JSON lines) only consume them.
//!
//! Written as JSON, `type` names the variant. No event holds the value of a cell but for the key
//! of a row that could not be copied.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Stage;
use crate::execution::StepId;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A step of the plan began.
    StepStarted {
        /// Which step.
        step: StepId,
        /// What it does, in a few words.
        title: String,
        /// The stage that it leads to.
        stage: Stage,
    },
    /// A step of the plan is done and recorded.
    StepFinished {
        /// Which step.
        step: StepId,
    },
    /// How far the rows of the current step are.
    Progress(RowProgress),
    /// Work stands still until a signal allows it again.
    Waiting(Wait),
    /// Work goes on after [`Event::Waiting`].
    Resumed,
    /// Something failed in a way that passes; it is tried again.
    Retry {
        /// Why it is tried again.
        class: RetryClass,
        /// How long until then, in milliseconds.
        pause_ms: u64,
    },
    /// An attempt to get the locks of a step.
    LockAttempt {
        /// How many there were so far, this one included.
        attempt: u32,
        /// Whether they were granted within the limit.
        granted: bool,
    },
    /// Locks that blocked the applications were let go again.
    LocksReleased {
        /// From the last grant to the commit, in microseconds: the longest that anybody waited.
        held_us: u64,
    },
    /// A comparison of both sides ended.
    Verdict {
        /// What it proved, as the state stores it: `exact`, `mismatch`, ...
        verdict: String,
        /// Rows read on the source.
        source_rows: u64,
        /// Rows read on the target.
        target_rows: u64,
        /// Rows that are missing, different or extra.
        differences: u64,
    },
    /// A row that cannot be copied was recorded, to be tried again later.
    RowError {
        /// The key of the row, column by column, as text.
        key: Vec<String>,
        /// The SQLSTATE of the refusal.
        sqlstate: String,
    },
    /// Good to know.
    Note {
        /// A sentence.
        text: String,
    },
    /// Somebody should look at it.
    Warning {
        /// A sentence.
        text: String,
    },
}

/// Where events go. Cheap to clone; workers share it. The receiver puts them in one order.
#[derive(Clone)]
pub struct EventSink(Arc<dyn Fn(Event) + Send + Sync>);

impl EventSink {
    /// Hands each event to `receive`, which must not block.
    pub fn new(receive: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Tells one thing that happened.
    pub fn emit(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventSink")
    }
}

/// How far the rows of a step are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RowProgress {
    /// Rows done, those of earlier runs included.
    pub rows_done: u64,
    /// Rows in all, as far as they can be told.
    pub rows_estimated: Option<u64>,
    /// Rows a second of late; `None` until there is enough to tell.
    pub rate: Option<f64>,
    /// Seconds left at that rate.
    pub eta_seconds: Option<u64>,
}

impl RowProgress {
    /// The part that is done, between 0 and 1; `None` without an estimate.
    pub fn ratio(&self) -> Option<f64> {
        let estimated = self.rows_estimated.filter(|rows| *rows > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        Some((self.rows_done as f64 / estimated as f64).min(1.0))
    }
}

/// Why work stands still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// What it waits for, in words: `replica lag`.
    pub reason: String,
    /// The signal, as the settings name it: `max_replica_lag`; `None` where nothing is measured
    /// (paused on request).
    pub metric: Option<String>,
    /// What was measured, with its unit; `None` for a signal without a good sample.
    pub value: Option<String>,
    /// The limit, with its unit.
    pub threshold: Option<String>,
}

/// Why something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryClass {
    /// A lock was not granted in time.
    Lock,
    /// A deadlock, a serialization failure, or a statement over its time.
    Conflict,
    /// The connection or the server went away.
    Connection,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object() {
        let progress = RowProgress {
            rows_done: 10,
            rows_estimated: Some(40),
            rate: Some(2.5),
            eta_seconds: Some(12),
        };
        let cases = [
            (Event::Resumed, r#"{"type":"resumed"}"#),
            (
                Event::Progress(progress),
                r#"{"type":"progress","rows_done":10,"rows_estimated":40,"rate":2.5,"eta_seconds":12}"#,
            ),
            (
                Event::Retry {
                    class: RetryClass::Lock,
                    pause_ms: 50,
                },
                r#"{"type":"retry","class":"lock","pause_ms":50}"#,
            ),
        ];
        for (event, expected) in cases {
            let text = serde_json::to_string(&event).expect("plain data");
            assert_eq!(text, expected);
            let back: Event = serde_json::from_str(&text).expect("read back");
            assert_eq!(back, event);
        }
    }

    #[test]
    fn a_ratio_needs_an_estimate_and_ends_at_one() {
        let at = |rows_done, rows_estimated| {
            RowProgress {
                rows_done,
                rows_estimated,
                rate: None,
                eta_seconds: None,
            }
            .ratio()
        };
        assert_eq!(at(1, None), None);
        assert_eq!(at(1, Some(0)), None);
        assert_eq!(at(1, Some(4)), Some(0.25));
        assert_eq!(at(5, Some(4)), Some(1.0));
    }
}
