//! Settings that a running backfill follows: those of the plan file, unless `set` changed them.

use std::num::NonZeroU32;
use std::time::Duration;

use crossfade_plan::file::PlanFile;
use serde_json::{Map, Value, json};

/// The settings that may be changed while a backfill runs, and the section of the plan file in
/// which each stands.
const LIVE: [(&str, &str); 6] = [
    ("chunk_target", "backfill"),
    ("batch_size", "backfill"),
    ("batch_delay", "backfill"),
    ("nice_ratio", "backfill"),
    ("rows_per_second", "backfill"),
    ("max_replica_lag", "throttle"),
];

/// What the pacing follows right now.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The time that one chunk should take.
    pub chunk_target: Duration,
    /// Rows in a chunk at most.
    pub batch_size: u64,
    /// A fixed pause between two chunks.
    pub batch_delay: Duration,
    /// A pause between two chunks, as a multiple of the time that the chunk took.
    pub nice_ratio: f64,
    /// Rows a second at most, over all workers; `None` is without limit.
    pub rows_per_second: Option<NonZeroU32>,
    /// The longest lag of the slowest replica; `None` is without limit.
    pub max_replica_lag: Option<Duration>,
}

/// Why a setting cannot be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No setting that can be changed while a backfill runs has this name.
    #[error(
        "there is no setting {key:?} that can be changed live; there are {}",
        names()
    )]
    Unknown {
        /// The name.
        key: String,
    },
    /// A plan file could not say this either.
    #[error("{key}: {message}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// What is wrong with the value.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
}

impl Settings {
    /// The settings of a plan file.
    pub fn of(file: &PlanFile) -> Self {
        let backfill = &file.backfill;
        let rate = backfill.rows_per_second.limit();
        Self {
            chunk_target: backfill.chunk_target.get(),
            batch_size: backfill.batch_size,
            batch_delay: backfill.batch_delay.get(),
            nice_ratio: backfill.nice_ratio,
            // More than 4 billion rows a second are no limit in practice.
            rows_per_second: rate
                .and_then(|rows| NonZeroU32::new(u32::try_from(rows).unwrap_or(u32::MAX))),
            max_replica_lag: file.throttle.max_replica_lag.limit().map(Duration::from),
        }
    }

    /// These settings with the live ones on top, as they are stored. Settings that somebody else
    /// follows are left to him.
    pub(crate) fn with(&self, live: &Map<String, Value>) -> Result<Self, SettingError> {
        let mut settings = self.clone();
        for (key, section) in LIVE {
            let Some(value) = live.get(key) else { continue };
            let given = Self::of(&file_with(key, section, value)?);
            match key {
                "chunk_target" => settings.chunk_target = given.chunk_target,
                "batch_size" => settings.batch_size = given.batch_size,
                "batch_delay" => settings.batch_delay = given.batch_delay,
                "nice_ratio" => settings.nice_ratio = given.nice_ratio,
                "rows_per_second" => settings.rows_per_second = given.rows_per_second,
                "max_replica_lag" => settings.max_replica_lag = given.max_replica_lag,
                _ => unreachable!("all live settings are named above"),
            }
        }
        Ok(settings)
    }

    /// The pause after a chunk that took so long.
    pub(crate) fn pause(&self, took: Duration) -> Duration {
        took.mul_f64(self.nice_ratio)
            .saturating_add(self.batch_delay)
    }

    /// Rows in a chunk at most: under a rate, no more than a second's worth.
    pub(crate) fn most_rows(&self) -> u64 {
        let rate = self
            .rows_per_second
            .map_or(u64::MAX, |rows| u64::from(rows.get()));
        self.batch_size.min(rate)
    }
}

/// Reads `value` as `set NAME key=value` gives it, and returns it in the form in which it is to be
/// stored. What this refuses must not be stored: runners would stand still until it is gone.
pub fn live_setting(key: &str, value: &str) -> Result<Value, SettingError> {
    let Some((key, section)) = LIVE.into_iter().find(|(live, _)| *live == key) else {
        return Err(SettingError::Unknown {
            key: key.to_owned(),
        });
    };
    // As in a plan file: a plain number is one, anything else is text.
    let given = match serde_json::from_str(value) {
        Ok(number @ Value::Number(_)) => number,
        _ => Value::String(value.to_owned()),
    };
    let file = file_with(key, section, &given)?;
    match serde_json::to_value(&file) {
        Ok(stored) => Ok(stored[section][key].clone()),
        Err(_) => unreachable!("a plan has string keys and finite numbers"),
    }
}

/// A plan file that holds one setting and nothing else of interest: the checks of plan files are
/// those of live settings.
fn file_with(key: &'static str, section: &str, value: &Value) -> Result<PlanFile, SettingError> {
    let file = json!({
        "name": "live",
        "table": "live",
        "operations": [{ "drop_column": { "column": "live" } }],
        section: { key: value },
    });
    match PlanFile::parse(&file.to_string()) {
        Ok(parsed) => Ok(parsed.plan),
        Err(errors) => Err(SettingError::Invalid {
            key,
            message: errors.first().message().to_owned(),
            help: errors.first().help().map(str::to_owned),
        }),
    }
}

fn names() -> String {
    LIVE.map(|(key, _)| key).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Settings {
        Settings::of(&file_with("nice_ratio", "backfill", &json!(0)).expect("a plan"))
    }

    #[test]
    fn what_is_set_is_stored_and_followed() {
        let live: Map<String, Value> = [
            ("chunk_target", "20ms"),
            ("batch_size", "500"),
            ("batch_delay", "10ms"),
            ("nice_ratio", "0.5"),
            ("rows_per_second", "800"),
            ("max_replica_lag", "off"),
        ]
        .into_iter()
        .map(|(key, text)| (key.to_owned(), live_setting(key, text).expect(key)))
        .collect();
        assert_eq!(live.len(), LIVE.len());
        let expected = Settings {
            chunk_target: Duration::from_millis(20),
            batch_size: 500,
            batch_delay: Duration::from_millis(10),
            nice_ratio: 0.5,
            rows_per_second: NonZeroU32::new(800),
            max_replica_lag: None,
        };
        assert_eq!(usual().with(&live), Ok(expected));
    }

    #[test]
    fn what_is_not_set_stays_as_the_plan_file_has_it() {
        let live = Map::from_iter([("workers".to_owned(), json!(3))]);
        assert_eq!(usual().with(&live), Ok(usual()));
        let live = Map::from_iter([("nice_ratio".to_owned(), json!(2))]);
        let expected = Settings {
            nice_ratio: 2.0,
            ..usual()
        };
        assert_eq!(usual().with(&live), Ok(expected));
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused() {
        for (key, text) in [
            ("chunk_target", "50"),
            ("chunk_target", "2h"),
            ("chunk_target", "off"),
            ("batch_size", "0"),
            ("batch_size", "many"),
            ("batch_delay", "2h"),
            ("nice_ratio", "-1"),
            ("nice_ratio", "NaN"),
            ("rows_per_second", "0"),
            ("max_replica_lag", "0s"),
        ] {
            let refused = live_setting(key, text);
            assert!(
                matches!(refused, Err(SettingError::Invalid { .. })),
                "{key}={text}: {refused:?}"
            );
        }
        for key in ["workers", "", "chunk-target"] {
            let refused = live_setting(key, "1").expect_err(key);
            assert!(refused.to_string().contains("max_replica_lag"), "{refused}");
        }
        let live = Map::from_iter([("nice_ratio".to_owned(), json!("much"))]);
        assert!(usual().with(&live).is_err());
    }

    #[test]
    fn pauses_and_bounds_follow_the_settings() {
        let settings = Settings {
            nice_ratio: 0.5,
            batch_delay: Duration::from_millis(7),
            batch_size: 1000,
            ..usual()
        };
        assert_eq!(
            settings.pause(Duration::from_millis(40)),
            Duration::from_millis(27)
        );
        assert_eq!(settings.most_rows(), 1000);
        let slow = Settings {
            rows_per_second: NonZeroU32::new(300),
            ..settings
        };
        assert_eq!(slow.most_rows(), 300);
    }
}
