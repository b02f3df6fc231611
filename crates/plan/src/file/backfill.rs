//! The `backfill` section: how fast existing rows are copied, and in which order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    PlanDuration, SqlName, Threshold,
    issue::Issues,
    position::PlanPath,
    scalar::{Scalar, scalar_schema},
    size::Size,
};

/// How existing rows are copied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backfill {
    /// Chunks that are copied at the same time, 1 to 64.
    pub workers: u32,
    /// The time that one chunk should take, at least 1 ms.
    pub chunk_target: PlanDuration,
    /// Rows in a chunk at most, at least 1.
    pub batch_size: u64,
    /// A fixed pause between two chunks.
    pub batch_delay: PlanDuration,
    /// A pause between two chunks, as a multiple of the time that the chunk took.
    pub nice_ratio: f64,
    /// Rows a second at most, over all workers.
    pub rows_per_second: Threshold<u64>,
    /// Rows that may be set aside with an error before the backfill gives up.
    pub max_errors: u64,
    /// The unique index that stands in for a primary key.
    pub key: Option<SqlName>,
}

/// How existing rows are copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Backfill")]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WrittenBackfill {
    /// Chunks that are copied at the same time, 1 to 64. `auto` is not supported yet.
    workers: Workers,
    /// The time that one chunk should take: the longest that an application statement waits for
    /// the backfill.
    chunk_target: PlanDuration,
    /// Rows in a chunk at most.
    #[schemars(range(min = 1))]
    batch_size: u64,
    /// A fixed pause between two chunks.
    batch_delay: PlanDuration,
    /// A pause between two chunks, as a multiple of the time that the chunk took.
    #[schemars(range(min = 0, max = 100))]
    nice_ratio: f64,
    /// Rows a second at most, over all workers.
    rows_per_second: Threshold<u64>,
    /// Bytes a second at most, over all workers. Not supported yet.
    bytes_per_second: Threshold<Size>,
    /// Rows that may be set aside with an error before the backfill gives up.
    max_errors: u64,
    /// The order of the copy: `block`, as the rows lie on disk. `key` is not supported yet.
    scan: Scan,
    /// The unique index that stands in for a primary key; without it the lowest-named valid,
    /// immediate, total, unique index over NOT NULL columns.
    key: Option<SqlName>,
}

impl Default for WrittenBackfill {
    fn default() -> Self {
        Self {
            workers: Workers::Count(2),
            chunk_target: PlanDuration::from_millis(50),
            batch_size: 10_000,
            batch_delay: PlanDuration::from_millis(0),
            nice_ratio: 0.0,
            rows_per_second: Threshold::Off,
            bytes_per_second: Threshold::Off,
            max_errors: 10,
            scan: Scan::Block,
            key: None,
        }
    }
}

impl Default for Backfill {
    fn default() -> Self {
        WrittenBackfill::default().lower(&mut Issues::default())
    }
}

impl WrittenBackfill {
    pub(super) fn lower(self, issues: &mut Issues) -> Backfill {
        let path = PlanPath::top("backfill");
        let workers = match self.workers {
            Workers::Count(count) => count,
            Workers::Auto => {
                issues.not_supported(path.clone().key("workers"), "`workers: auto`");
                1
            }
        };
        if self.bytes_per_second != Threshold::Off {
            issues.not_supported(path.clone().key("bytes_per_second"), "`bytes_per_second`");
        }
        if self.scan == Scan::Key {
            issues.not_supported(path.key("scan"), "`scan: key`");
        }
        Backfill {
            workers,
            chunk_target: self.chunk_target,
            batch_size: self.batch_size,
            batch_delay: self.batch_delay,
            nice_ratio: self.nice_ratio,
            rows_per_second: self.rows_per_second,
            max_errors: self.max_errors,
            key: self.key,
        }
    }
}

/// The order of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scan {
    /// As the rows lie on disk.
    Block,
    /// By the primary key.
    Key,
}

/// A number of workers, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workers {
    Auto,
    Count(u32),
}

impl Scalar for Workers {
    const EXPECTED: &'static str = "a whole number of workers";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => Err(format!("{text:?} is not {}", Self::EXPECTED)),
        }
    }

    fn from_number(number: u64) -> Result<Self, String> {
        // What does not fit is out of the range of 1 to 64, which is checked for all numbers.
        Ok(Self::Count(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::scalar::deserialize(deserializer)
    }
}

impl Serialize for Workers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

scalar_schema!(Workers, "Workers", {
    "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 64 }, { "const": "auto" }]
});
