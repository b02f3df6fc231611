//! How long statements take.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latency of statements, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LatencyReport {
    /// How many statements.
    pub statements: u64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest took this.
    pub max_us: u64,
    /// How many took longer than the threshold of a wait.
    pub waits: u64,
}

/// Latencies, to 1 % of each value.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    microseconds: Histogram<u64>,
    longest: Duration,
    waits: u64,
}

impl Latency {
    pub(crate) fn new() -> Self {
        Self {
            microseconds: Histogram::new(2).expect("two digits are within the bounds"),
            longest: Duration::ZERO,
            waits: 0,
        }
    }

    pub(crate) fn record(&mut self, took: Duration, wait_threshold: Duration) {
        // Not `saturating_record`: that one does not grow, and cuts off at 255.
        self.microseconds
            .record(micros(took))
            .expect("it grows as needed");
        self.longest = self.longest.max(took);
        self.waits += u64::from(took > wait_threshold);
    }

    /// Adds what another has recorded.
    pub(crate) fn add(&mut self, other: &Self) {
        self.microseconds
            .add(&other.microseconds)
            .expect("both grow as needed");
        self.longest = self.longest.max(other.longest);
        self.waits += other.waits;
    }

    pub(crate) fn report(&self) -> LatencyReport {
        let longest = micros(self.longest);
        // A bucket's upper end may lie beyond the longest value in it.
        let quantile = |q| self.microseconds.value_at_quantile(q).min(longest);
        LatencyReport {
            statements: self.microseconds.len(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            max_us: longest,
            waits: self.waits,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_waits_are_those_of_all_recorded() {
        let (mut latency, mut other) = (Latency::new(), Latency::new());
        let threshold = Duration::from_millis(100);
        for _ in 0..98 {
            latency.record(Duration::from_micros(200), threshold);
        }
        other.record(Duration::from_millis(150), threshold);
        other.record(Duration::from_millis(151), threshold);
        latency.add(&other);
        let report = latency.report();
        assert_eq!((report.statements, report.waits), (100, 2));
        assert!((198..=202).contains(&report.p50_us), "{report:?}");
        assert!((148_000..=152_000).contains(&report.p99_us), "{report:?}");
        assert_eq!(report.max_us, 151_000);
    }
}
