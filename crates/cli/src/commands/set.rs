//! `crossfade set`: changes a setting of a migration, while it runs too. What is set wins over the
//! plan file until it is given back.

use clap::Args;
use crossfade_plan::file::PlanFile;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::arguments::FormatArguments;
use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::settings::Settings;
use crate::{migration, state};

/// The settings that runners look at while they run, and where they stand in a plan file.
const LIVE: [(&str, &str); 8] = [
    ("workers", "backfill"),
    ("chunk_target", "backfill"),
    ("batch_size", "backfill"),
    ("batch_delay", "backfill"),
    ("nice_ratio", "backfill"),
    ("rows_per_second", "backfill"),
    ("max_errors", "backfill"),
    ("max_replica_lag", "throttle"),
];

/// Which migration, and what.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    /// The setting and its value, as in `chunk_target=20ms`; `chunk_target=` gives it back to the
    /// plan file. Settings: workers, `chunk_target`, `batch_size`, `batch_delay`, `nice_ratio`,
    /// `rows_per_second`, `max_errors`, `max_replica_lag`
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
    let id = migration::find(&store, &session, &name).await?.id;
    let changed = store.set(id, &state::actor(), key, value.as_ref()).await?;
    let control = store.control(&session, id).await?;
    let printed = Printed {
        name: name.as_str(),
        changed,
        settings: &control.settings,
    };
    arguments.format.print("set", &printed, || {
        let already = if changed { "" } else { " already" };
        match &value {
            Some(Value::String(value)) => format!("{key} of {name} is{already} {value}."),
            Some(value) => format!("{key} of {name} is{already} {value}."),
            None => format!("{key} of {name} is{already} what the plan file says."),
        }
    })?;
    Ok(Exit::Done)
}

/// The setting, and its value in the form in which plan files are stored; `None` gives it back.
fn parse(text: &str) -> Result<(&'static str, Option<Value>), Failure> {
    let refuse = |message: String| Failure::new(Code::CommandLine, message);
    let Some((key, value)) = text.split_once('=') else {
        return Err(refuse(format!("{text:?} is no SETTING=VALUE")));
    };
    let Some((key, section)) = LIVE.into_iter().find(|(live, _)| *live == key) else {
        let keys: Vec<_> = LIVE.iter().map(|(key, _)| *key).collect();
        return Err(refuse(format!(
            "there is no setting {key:?} that can be changed live"
        ))
        .next(format!("The settings are {}.", keys.join(", "))));
    };
    if value.is_empty() {
        return Ok((key, None));
    }
    // As in a plan file: a plain number is one, anything else is text.
    let given = match serde_json::from_str(value) {
        Ok(number @ Value::Number(_)) => number,
        _ => Value::String(value.to_owned()),
    };
    // The parser of plan files knows which values are good, so it is asked about one that holds
    // nothing else.
    let file = json!({
        "name": "live",
        "table": "live",
        "operations": [{ "drop_column": { "column": "live" } }],
        section: { key: given },
    });
    let parsed = PlanFile::parse(&file.to_string())
        .map_err(|errors| refuse(format!("{key}: {}", errors.first().message())))?;
    let stored =
        serde_json::to_value(&parsed.plan).map_err(|error| Failure::of(Code::Internal, &error))?;
    Ok((key, Some(stored[section][key].clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_plan_files() {
        let cases = [
            ("workers=4", Some(json!(4))),
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
    fn every_live_setting_is_one_of_plan_files() {
        for (key, _) in LIVE {
            let usual = parse(&format!("{key}=1")).or_else(|_| parse(&format!("{key}=1s")));
            assert!(
                usual.is_ok_and(|(_, value)| value != Some(Value::Null)),
                "{key}"
            );
        }
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for text in [
            "workers",
            "workers=many",
            "workers=0",
            "wrokers=1",
            "=1",
            "scan=key",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
