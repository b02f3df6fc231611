//! The `throttle` section: the signals that make the backfill wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    PlanDuration, SqlText, Threshold,
    issue::Issues,
    position::PlanPath,
    scalar::{Scalar, scalar_schema, scalar_serde},
    size::Size,
};

/// When the backfill waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Throttle {
    /// The longest lag of the slowest replica.
    pub max_replica_lag: Threshold<PlanDuration>,
}

/// When the backfill waits: a limit for each signal, each of which may be `off`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Throttle")]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WrittenThrottle {
    /// The longest lag of the slowest replica.
    max_replica_lag: Threshold<PlanDuration>,
    /// A query that returns the lag where `pg_stat_replication` does not show it. Not supported yet.
    lag_query: Option<SqlText>,
    /// WAL a second at most. Another value is not supported yet.
    max_wal_rate: Threshold<Size>,
    /// Running sessions at most; auto is 1.5 times the median of the minute before. Another value
    /// is not supported yet.
    max_active_sessions: Threshold<Sessions>,
    /// Sessions that wait for a lock of ours at most. Another value is not supported yet.
    max_lock_waiters: Threshold<u64>,
    /// Dead rows of the source at most. Another value is not supported yet.
    max_dead_rows: Threshold<Percent>,
    /// The oldest snapshot of the server. Another value is not supported yet.
    max_xmin_age: Threshold<PlanDuration>,
    /// The longest commit of ours. Another value is not supported yet.
    max_commit_latency: Threshold<PlanDuration>,
    /// Free connections at least. Another value is not supported yet.
    min_free_connections: Threshold<u64>,
    /// The longest lag of the WAL archive. Not supported yet.
    max_archive_lag: Threshold<PlanDuration>,
    /// WAL that replication slots retain at most. Not supported yet.
    max_slot_retained: Threshold<Size>,
    /// A query that returns whether to go on. Not supported yet.
    query: Option<SqlText>,
    /// An address that answers 200 when the backfill may go on. Not supported yet.
    http: Option<String>,
    /// For each signal the level at which the backfill hibernates. Not supported yet.
    critical: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Default for WrittenThrottle {
    fn default() -> Self {
        Self {
            max_replica_lag: Threshold::At(PlanDuration::from_millis(1_500)),
            lag_query: None,
            max_wal_rate: Threshold::At(Size::mebibytes(64)),
            max_active_sessions: Threshold::At(Sessions::Auto),
            max_lock_waiters: Threshold::At(0),
            max_dead_rows: Threshold::At(Percent(20)),
            max_xmin_age: Threshold::At(PlanDuration::from_millis(3_600_000)),
            max_commit_latency: Threshold::At(PlanDuration::from_millis(100)),
            min_free_connections: Threshold::At(10),
            max_archive_lag: Threshold::Off,
            max_slot_retained: Threshold::Off,
            query: None,
            http: None,
            critical: None,
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        WrittenThrottle::default().lower(&mut Issues::default())
    }
}

impl WrittenThrottle {
    pub(super) fn lower(self, issues: &mut Issues) -> Throttle {
        let Self {
            max_replica_lag,
            lag_query,
            max_wal_rate,
            max_active_sessions,
            max_lock_waiters,
            max_dead_rows,
            max_xmin_age,
            max_commit_latency,
            min_free_connections,
            max_archive_lag,
            max_slot_retained,
            query,
            http,
            critical,
        } = self;
        let usual = Self::default();
        for (key, used) in [
            ("lag_query", lag_query != usual.lag_query),
            ("max_wal_rate", max_wal_rate != usual.max_wal_rate),
            (
                "max_active_sessions",
                max_active_sessions != usual.max_active_sessions,
            ),
            (
                "max_lock_waiters",
                max_lock_waiters != usual.max_lock_waiters,
            ),
            ("max_dead_rows", max_dead_rows != usual.max_dead_rows),
            ("max_xmin_age", max_xmin_age != usual.max_xmin_age),
            (
                "max_commit_latency",
                max_commit_latency != usual.max_commit_latency,
            ),
            (
                "min_free_connections",
                min_free_connections != usual.min_free_connections,
            ),
            ("max_archive_lag", max_archive_lag != usual.max_archive_lag),
            (
                "max_slot_retained",
                max_slot_retained != usual.max_slot_retained,
            ),
            ("query", query != usual.query),
            ("http", http != usual.http),
            ("critical", critical != usual.critical),
        ] {
            if used {
                issues.not_supported(PlanPath::top("throttle").key(key), &format!("`{key}`"));
            }
        }
        Throttle { max_replica_lag }
    }
}

/// A number of sessions, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    Auto,
    Count(u64),
}

impl Scalar for Sessions {
    const EXPECTED: &'static str = "a whole number of sessions, or auto";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => Err(format!("{text:?} is not {}", Self::EXPECTED)),
        }
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Ok(Self::Count(number))
    }
}

impl Serialize for Sessions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u64(*count),
        }
    }
}

scalar_schema!(Sessions, "Sessions", {
    "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "auto" }]
});

/// A share in whole percent, written `20%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Percent(u8);

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Scalar for Percent {
    const EXPECTED: &'static str = "a share, such as 20%";

    fn from_text(text: &str) -> Result<Self, String> {
        (text.strip_suffix('%'))
            .and_then(|number| number.trim().parse().ok())
            .filter(|number| *number <= 100)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no share: write 0% to 100%"))
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Err(format!("{number} has no percent sign: write 0% to 100%"))
    }
}

scalar_serde!(Percent);
scalar_schema!(Percent, "Percent", {
    "type": "string",
    "description": "A share: 0% to 100%.",
    "pattern": "^\\s*(100|[0-9]{1,2})\\s*%\\s*$"
});
