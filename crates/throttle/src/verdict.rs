//! Verdicts: may the next chunk run, and if not, why not.

use std::fmt;

use crossfade_plan::event;
use serde::Serialize;

/// What a worker reads before every chunk.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The chunk may run.
    Go,
    /// It must wait.
    Wait(Wait),
}

/// Why work waits; what a DBA looks at first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wait {
    /// The kind of reason.
    pub reason: Reason,
    /// The reason in words: `replica lag of standby1`; for a missing signal why, and what to do.
    pub text: String,
    /// The signal as the settings name it, `max_replica_lag`; `None` where nothing is measured.
    pub metric: Option<&'static str>,
    /// What it is now, with its unit; `None` where nothing could be measured.
    pub value: Option<String>,
    /// What it must not exceed, with its unit.
    pub threshold: Option<String>,
}

/// Kinds of reasons; time spent waiting is counted for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody asked for it.
    Paused,
    /// A replica is too far behind.
    ReplicaLag,
    /// A signal gave no sample that could be trusted: it fails closed.
    SignalMissing,
}

impl Reason {
    /// The name under which it is counted and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::ReplicaLag => "replica_lag",
            Self::SignalMissing => "signal_missing",
        }
    }
}

impl Wait {
    /// Whether it is the wait that was told before, with other numbers at most. Replicas take
    /// turns at being the slowest; that is no news.
    pub(crate) fn is_told_by(&self, told: &Self) -> bool {
        self.reason == told.reason && (self.reason == Reason::ReplicaLag || self.text == told.text)
    }
}

impl From<Wait> for event::Wait {
    fn from(wait: Wait) -> Self {
        Self {
            reason: wait.text,
            metric: wait.metric.map(str::to_owned),
            value: wait.value,
            threshold: wait.threshold,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if let Some(value) = &self.value {
            write!(f, " is {value}")?;
        }
        if let Some(threshold) = &self.threshold {
            write!(f, ", the limit is {threshold}")?;
        }
        Ok(())
    }
}
