//! When a run has to end: `--until` by the server's clock, `--max-runtime` from now on.

use std::str::FromStr;
use std::time::Duration;

use crossfade_postgres::{ConnectError, Database, Queries, QueryError};
use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};
use tokio::time::{Instant, sleep_until};

const CLOCK: &str = "select pg_catalog.clock_timestamp() as now";

/// A text that is no time or no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a point in time.
    #[error(
        "{0:?} is no time: write HH:MM, or a date and time with an offset, such as \
         2027-01-31T05:00:00Z"
    )]
    Until(String),
    /// Not a length of time.
    #[error("{0:?} is no duration: write a number and a unit, such as 90m or 4h, more than zero")]
    Runtime(String),
}

/// Why a deadline could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum DeadlineError {
    /// No connection to ask for the time.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server did not tell the time.
    #[error("the server's time cannot be read")]
    Query(#[from] QueryError),
    /// The day or time is out of the range of calendars.
    #[error("no such time can be found")]
    Calendar(#[source] jiff::Error),
}

/// The value of `--until`: a point in time, or the next time that clocks show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// A point in time, from RFC 3339.
    At(Timestamp),
    /// The next HH:MM.
    Next(Time),
}

impl FromStr for Until {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let wrong = || TimeError::Until(text.to_owned());
        let is_clock = |(at, byte): (usize, u8)| match at {
            2 => byte == b':',
            _ => byte.is_ascii_digit(),
        };
        if text.len() == 5 && text.bytes().enumerate().all(is_clock) {
            return Time::strptime("%H:%M", text)
                .map(Self::Next)
                .map_err(|_| wrong());
        }
        text.parse().map(Self::At).map_err(|_| wrong())
    }
}

impl Until {
    /// The point in time that is meant at `now`, in the zone `tz`.
    ///
    /// A time that clocks skip on a day counts as the one that they show instead, an hour later;
    /// of one that they show twice, the first that is still to come.
    pub fn resolve(self, now: Timestamp, tz: &TimeZone) -> Result<Timestamp, DeadlineError> {
        let time = match self {
            Self::At(at) => return Ok(at),
            Self::Next(time) => time,
        };
        let mut day = Zoned::new(now, tz.clone()).date();
        loop {
            let shown = tz.to_ambiguous_timestamp(day.to_datetime(time));
            let twice = matches!(shown.offset(), AmbiguousOffset::Fold { .. });
            let first = shown.compatible().map_err(DeadlineError::Calendar)?;
            if first > now {
                return Ok(first);
            }
            if twice {
                let second = shown.later().map_err(DeadlineError::Calendar)?;
                if second > now {
                    return Ok(second);
                }
            }
            day = day.tomorrow().map_err(DeadlineError::Calendar)?;
        }
    }
}

/// The value of `--max-runtime`: `90m`, `4h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxRuntime(Duration);

impl MaxRuntime {
    /// The length of time, more than zero.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for MaxRuntime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Ok(Self(duration)),
            _ => Err(TimeError::Runtime(text.to_owned())),
        }
    }
}

/// When a run has to end, if ever. Counted by a clock that nobody sets.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Finds out when `until` is, by the clock of the server, and takes the earlier of it and the
    /// end of `max_runtime`, which begins now. The server is asked only for `until`, and once.
    pub async fn start(
        database: &Database,
        until: Option<(Until, &TimeZone)>,
        max_runtime: Option<MaxRuntime>,
    ) -> Result<Self, DeadlineError> {
        let started = Instant::now();
        let mut ends = Vec::new();
        if let Some((until, tz)) = until {
            let (shown, at) = server_clock(database).await?;
            let end = until.resolve(shown, tz)?;
            // A point that has passed is over at once.
            let left = Duration::try_from(end.duration_since(shown)).unwrap_or(Duration::ZERO);
            ends.push(at.checked_add(left));
        }
        if let Some(runtime) = max_runtime {
            ends.push(started.checked_add(runtime.get()));
        }
        // What no clock can count up to never comes.
        Ok(Self(ends.into_iter().flatten().min()))
    }

    /// Whether it has come.
    pub fn has_passed(&self) -> bool {
        self.0.is_some_and(|end| end <= Instant::now())
    }

    /// Returns when it has come; never, if there is none.
    pub async fn reached(&self) {
        match self.0 {
            Some(end) => sleep_until(end).await,
            None => std::future::pending().await,
        }
    }
}

/// What the server's clock shows, and when by ours: half way between question and answer.
async fn server_clock(database: &Database) -> Result<(Timestamp, Instant), DeadlineError> {
    let session = database.session("deadline").await?;
    let asked = Instant::now();
    let rows = session.query(CLOCK, &[]).await?;
    let at = asked + asked.elapsed() / 2;
    let Some(row) = rows.first() else {
        unreachable!("a select without a table returns one row")
    };
    Ok((row.try_get("now").map_err(QueryError::from)?, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let at: Timestamp = "2027-01-31T04:00:00Z".parse().expect("a time");
        for text in [
            "2027-01-31T04:00:00Z",
            "2027-01-31T05:00:00+01:00",
            "2027-01-31 04:00Z",
        ] {
            assert_eq!(text.parse(), Ok(Until::At(at)), "{text}");
        }
        assert_eq!(
            "05:00".parse(),
            Ok(Until::Next(jiff::civil::time(5, 0, 0, 0)))
        );
        for text in [
            "",
            "5",
            "5:00",
            "25:00",
            "05:60",
            " 5:00",
            "2027-01-31",
            "2027-01-31T05:00",
            "05:00:00",
        ] {
            let refused = text.parse::<Until>().expect_err(text);
            assert!(refused.to_string().contains("write HH:MM"), "{refused}");
        }
    }

    #[test]
    fn runtimes_are_read() {
        let read = "1h 30m".parse::<MaxRuntime>().map(MaxRuntime::get);
        assert_eq!(read, Ok(Duration::from_mins(90)));
        for text in ["", "0s", "4", "soon", "-1h"] {
            assert!(text.parse::<MaxRuntime>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_next_time_is_found_on_every_kind_of_day() {
        for (zone, now, until, expected) in [
            (
                "UTC",
                "2027-05-01T04:59:59Z",
                "05:00",
                "2027-05-01T05:00:00Z",
            ),
            (
                "UTC",
                "2027-05-01T05:00:00Z",
                "05:00",
                "2027-05-02T05:00:00Z",
            ),
            (
                "Asia/Tokyo",
                "2027-05-01T16:00:00Z",
                "05:00",
                "2027-05-01T20:00:00Z",
            ),
            // In Berlin, clocks skip 02:00 to 03:00 on 28 March 2027.
            (
                "Europe/Berlin",
                "2027-03-27T20:00:00Z",
                "05:00",
                "2027-03-28T03:00:00Z",
            ),
            (
                "Europe/Berlin",
                "2027-03-27T20:00:00Z",
                "02:30",
                "2027-03-28T01:30:00Z",
            ),
            (
                "Europe/Berlin",
                "2027-03-28T01:30:00Z",
                "02:30",
                "2027-03-29T00:30:00Z",
            ),
            // They show 02:00 to 03:00 twice on 31 October 2027.
            (
                "Europe/Berlin",
                "2027-10-30T20:00:00Z",
                "05:00",
                "2027-10-31T04:00:00Z",
            ),
            (
                "Europe/Berlin",
                "2027-10-30T20:00:00Z",
                "02:30",
                "2027-10-31T00:30:00Z",
            ),
            (
                "Europe/Berlin",
                "2027-10-31T00:45:00Z",
                "02:30",
                "2027-10-31T01:30:00Z",
            ),
            (
                "Europe/Berlin",
                "2027-10-31T01:45:00Z",
                "02:30",
                "2027-11-01T01:30:00Z",
            ),
            // Samoa skipped the whole of 30 December 2011.
            (
                "Pacific/Apia",
                "2011-12-30T09:00:00Z",
                "12:00",
                "2011-12-30T22:00:00Z",
            ),
        ] {
            let tz = TimeZone::get(zone).expect(zone);
            let now: Timestamp = now.parse().expect(now);
            let until: Until = until.parse().expect(until);
            let expected: Timestamp = expected.parse().expect(expected);
            let found = until.resolve(now, &tz).expect("a time");
            assert_eq!(found, expected, "{until:?} after {now} in {zone}");
        }
    }
}
