//! `crossfade set`: changes a setting of a migration, while it runs too. What is set wins over the
//! plan file until it is given back.

use clap::Args;
use crossfade_throttle::{SettingError, live_setting};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::arguments::FormatArguments;
use crate::error::{Code, Failure, sentence};
use crate::exit::Exit;
use crate::settings::Settings;
use crate::{migration, output, state};

/// Which migration, and what.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    /// The setting and its value, as in `chunk_target=20ms`; `chunk_target=` gives it back to the
    /// plan file. Settings: `chunk_target`, `batch_size`, `batch_delay`, `nice_ratio`,
    /// `rows_per_second`, `max_replica_lag`
    #[arg(value_name = "SETTING=VALUE")]
    setting: String,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Serialize)]
struct Printed<'a> {
    name: &'a str,
    /// False where it was so already.
    changed: bool,
    /// All settings that are set.
    settings: &'a Map<String, Value>,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let (key, value) = parse(&arguments.setting)?;
    let name = migration::name(&arguments.migration)?;
    let store = state::for_change(settings, &name, "set").await?;
    let session = store.session("set").await?;
    let id = migration::find_open(&store, &session, &name).await?.id;
    let changed = store.set(id, &state::actor(), key, value.as_ref()).await?;
    let control = store.control(&session, id).await?;
    let printed = Printed {
        name: name.as_str(),
        changed,
        settings: &control.settings,
    };
    arguments.format.print("set", &printed, || {
        let already = if changed { "" } else { " already" };
        let value = match &value {
            Some(Value::String(value)) => value.clone(),
            Some(value) => value.to_string(),
            None => "what the plan file says".to_owned(),
        };
        output::sentence(&format!("{key} of {name} is{already} {value}."))
    })?;
    Ok(Exit::Done)
}

/// The setting, and its value in the form in which runners read it; `None` gives it back.
fn parse(text: &str) -> Result<(&str, Option<Value>), Failure> {
    let refuse = |message: String| Failure::new(Code::CommandLine, message);
    let Some((key, value)) = text.split_once('=') else {
        return Err(refuse(format!("{text:?} is no SETTING=VALUE")));
    };
    if value.is_empty() && is_live(key) {
        return Ok((key, None));
    }
    match live_setting(key, value) {
        Ok(stored) => Ok((key, Some(stored))),
        Err(error) => {
            let failure = refuse(error.to_string());
            Err(match error {
                SettingError::Invalid {
                    help: Some(help), ..
                } => failure.next(sentence(&help)),
                _ => failure,
            })
        }
    }
}

/// Whether a runner follows such a setting while it runs.
fn is_live(key: &str) -> bool {
    !matches!(live_setting(key, "0"), Err(SettingError::Unknown { .. }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_those_of_plan_files() {
        let cases = [
            ("batch_size=400", Some(json!(400))),
            ("chunk_target=20ms", Some(json!("20ms"))),
            ("nice_ratio=0.5", Some(json!(0.5))),
            ("rows_per_second=off", Some(json!("off"))),
            ("max_replica_lag=2s", Some(json!("2s"))),
            ("max_replica_lag=", None),
        ];
        for (text, expected) in cases {
            let (key, value) = parse(text).expect(text);
            assert!(text.starts_with(key));
            assert_eq!(value, expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_set_or_is_not_followed_is_refused() {
        for text in [
            "batch_size",
            "batch_size=many",
            "batch_size=0",
            "wrokers=1",
            "wrokers=",
            "=1",
            "scan=key",
            "workers=4",
            "max_errors=",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
