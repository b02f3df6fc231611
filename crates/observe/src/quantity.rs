//! Numbers as people read them.

use std::time::Duration;

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut groups = Vec::new();
    if first > 0 {
        groups.push(&digits[..first]);
    }
    let mut rest = &digits[first..];
    while !rest.is_empty() {
        let (group, after) = rest.split_at(3);
        groups.push(group);
        rest = after;
    }
    groups.join(",")
}

/// `1 row`, `2,000 rows`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// Rows a second, without digits that nobody needs: `12,300 rows/s`, `0.4 rows/s`.
pub fn rate(rows: f64) -> String {
    if rows < 10.0 {
        return format!("{rows:.1} rows/s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a larger rate than 2^64 is none"
    )]
    let whole = rows.round() as u64;
    format!("{} rows/s", count(whole))
}

/// The two largest units: `2h 5m`, `45s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = units
        .iter()
        .position(|(number, _)| *number > 0)
        .unwrap_or(units.len() - 1);
    let shown: Vec<_> = units[first..]
        .iter()
        .take(2)
        .enumerate()
        .filter(|(at, (number, _))| *at == 0 || *number > 0)
        .map(|(_, (number, unit))| format!("{number}{unit}"))
        .collect();
    shown.join(" ")
}

/// Microseconds as `4.2 ms`.
pub fn milliseconds(micros: u64) -> String {
    let tenths = micros.div_ceil(100);
    format!("{}.{} ms", count(tenths / 10), tenths % 10)
}

/// `41.1 %`; 100 only for all of it.
pub fn percent(ratio: f64) -> String {
    let tenths = (ratio * 1000.0).floor() / 10.0;
    format!("{tenths:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn rates_have_few_digits() {
        assert_eq!(rate(0.44), "0.4 rows/s");
        assert_eq!(rate(12_345.6), "12,346 rows/s");
    }

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (0, "0s"),
            (45, "45s"),
            (60, "1m"),
            (61, "1m 1s"),
            (7_500, "2h 5m"),
            (86_405, "1d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_short_time_is_never_shown_as_none() {
        for (micros, text) in [
            (0, "0.0 ms"),
            (1, "0.1 ms"),
            (4_200, "4.2 ms"),
            (1_234_500, "1,234.5 ms"),
        ] {
            assert_eq!(milliseconds(micros), text);
        }
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(0.9999), "99.9 %");
        assert_eq!(percent(1.0), "100.0 %");
    }
}
