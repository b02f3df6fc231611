//! Durations as plan files write them: a number with a unit.

use std::{fmt, time::Duration};

use super::scalar::{Scalar, scalar_schema, scalar_serde};

const HOW: &str = "write a number and a unit, such as 300ms, 5s, 1h or 7d; zero is 0s";

/// Longest duration in a plan file, ten years: what is longer is a slip of the pen.
const LONGEST: Duration = Duration::from_hours(3653 * 24);

/// A length of time, written `300ms`, `1h 30m`, `7d`. A bare number is refused: its unit would be a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanDuration(Duration);

impl PlanDuration {
    /// A duration of whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<PlanDuration> for Duration {
    fn from(duration: PlanDuration) -> Self {
        duration.0
    }
}

impl fmt::Display for PlanDuration {
    /// The largest unit that divides the duration exactly, so that one duration has one text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 7] = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        match UNITS.iter().find(|(size, _)| nanos.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{}{unit}", nanos / size),
            None => Ok(()),
        }
    }
}

impl Scalar for PlanDuration {
    const EXPECTED: &'static str = "a duration, such as 300ms, 5s, 1h or 7d";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("{text:?} is no duration: {HOW}"));
        }
        match humantime::parse_duration(text) {
            Ok(duration) if duration <= LONGEST => Ok(Self(duration)),
            Ok(_) => Err(format!(
                "{text:?} is too long: a plan file allows ten years at most"
            )),
            Err(_) => Err(format!("{text:?} is no duration: {HOW}")),
        }
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Err(format!("{number} has no unit: {HOW}"))
    }
}

scalar_serde!(PlanDuration);
scalar_schema!(PlanDuration, "Duration", {
    "type": "string",
    "description": "A number and a unit: 300ms, 5s, 1h 30m, 7d. Zero is 0s.",
    "pattern": "^\\s*([0-9]+(\\.[0-9]+)?\\s*[a-zA-Zµ]+\\s*)+$"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_duration_has_one_text() {
        for (text, canonical) in [
            ("1500ms", "1500ms"),
            ("1s 500ms", "1500ms"),
            ("7d", "7d"),
            ("168h", "7d"),
            ("90s", "90s"),
            ("0ms", "0s"),
            ("250us", "250us"),
            ("7ns", "7ns"),
        ] {
            let duration = PlanDuration::from_text(text).expect(text);
            assert_eq!(duration.to_string(), canonical);
            assert_eq!(PlanDuration::from_text(canonical), Ok(duration));
        }
    }

    #[test]
    fn what_is_no_duration_says_how_to_write_one() {
        for text in ["", "0", "300", "5 apples", "-1s", "s"] {
            let message = PlanDuration::from_text(text).expect_err(text);
            assert!(message.contains("such as 300ms"), "{message}");
        }
        assert!(
            PlanDuration::from_text("99999999d")
                .expect_err("long")
                .contains("ten years")
        );
    }
}
