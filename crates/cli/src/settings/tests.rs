//! Which source wins, and what is refused.

use std::ffi::OsString;

use clap::Parser;
use secrecy::ExposeSecret;

use super::*;
use crate::arguments::Arguments;
use crate::error::as_json;

fn settings(
    given: &[&str],
    environment: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Settings, Failure> {
    let line = [&["crossfade", "list"], given].concat();
    let global = Arguments::try_parse_from(line).expect("a good line").global;
    let directory = tempfile::tempdir().expect("a directory");
    if let Some(text) = file {
        std::fs::write(directory.path().join("crossfade.toml"), text).expect("written");
    }
    let lookup = |name: &str| {
        let found = environment.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    };
    Settings::layered(&global, &Variables::new(lookup), directory.path())
}

fn url(settings: &Settings) -> Option<(&str, &'static str)> {
    let url = settings.database_url.as_ref()?;
    Some((url.text.expose_secret(), url.origin))
}

#[test]
fn the_nearer_source_wins() -> Result<(), Failure> {
    let file = Some("database_url = 'file'\nstate_schema = 'file'\ncolor = 'never'");
    let option = [
        "--database-url=option",
        "--state-schema=option",
        "--color=always",
    ];
    let environment = [
        ("CROSSFADE_DATABASE_URL", "own"),
        ("DATABASE_URL", "general"),
        ("CROSSFADE_STATE_SCHEMA", "variable"),
        ("CROSSFADE_COLOR", "auto"),
    ];
    let all = settings(&option, &environment, file)?;
    assert_eq!(url(&all), Some(("option", "--database-url")));
    assert_eq!(all.state_schema.as_str(), "option");
    assert_eq!(all.color, Color::Always);

    let no_option = settings(&[], &environment, file)?;
    assert_eq!(url(&no_option), Some(("own", "CROSSFADE_DATABASE_URL")));
    assert_eq!(no_option.state_schema.as_str(), "variable");
    assert_eq!(no_option.color, Color::Auto);

    let general = settings(&[], &environment[1..2], file)?;
    assert_eq!(url(&general), Some(("general", "DATABASE_URL")));
    assert_eq!(general.state_schema.as_str(), "file");

    let only_file = settings(&[], &[("DATABASE_URL", "")], file)?;
    assert_eq!(
        url(&only_file),
        Some(("file", "database_url of the settings file"))
    );
    assert_eq!(only_file.color, Color::Never);

    let nothing = settings(&[], &[], None)?;
    assert_eq!(url(&nothing), None);
    assert_eq!(nothing.state_schema.as_str(), "crossfade");
    assert_eq!(nothing.log_format, LogFormat::Text);
    Ok(())
}

#[test]
fn a_bad_settings_file_is_refused_with_its_place_and_without_its_lines() {
    let file = "database_url = 'postgres://me:hunter2@db'\nsate_schema = 'x'\n";
    let failure = settings(&[], &[], Some(file)).expect_err("a key is unknown");
    let text = as_json(&failure);
    assert!(text.contains("unknown field `sate_schema`"), "{text}");
    assert!(text.contains(r#""line":2,"column":1"#), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_settings_file_that_is_named_must_be_there() {
    let failure = settings(&["--config", "/nowhere/at/all"], &[], None);
    assert!(failure.is_err());
    let failure = settings(&[], &[("CROSSFADE_CONFIG", "/nowhere/at/all")], None);
    assert!(failure.is_err());
}

#[test]
fn a_bad_value_of_a_variable_is_refused() {
    for variable in ["CROSSFADE_LOG_FORMAT", "CROSSFADE_COLOR"] {
        assert!(
            settings(&[], &[(variable, "loud")], None).is_err(),
            "{variable}"
        );
    }
    assert!(settings(&[], &[("CROSSFADE_STATE_SCHEMA", "a.b")], None).is_err());
}

#[test]
fn limits_are_durations_within_reason() -> Result<(), Failure> {
    let file = Some("lease_ttl = '30s'\nmax_wait = '1m'");
    let environment = [("CROSSFADE_LEASE_TTL", "2s")];
    let all = settings(&[], &environment, file)?;
    assert_eq!(all.lease_ttl, Some(Duration::from_secs(2)));
    assert_eq!(all.max_wait, Some(Duration::from_mins(1)));
    assert_eq!(settings(&[], &[], None)?.lease_ttl, None);
    for (variable, value) in [
        ("CROSSFADE_LEASE_TTL", "10ms"),
        ("CROSSFADE_LEASE_TTL", "2h"),
        ("CROSSFADE_MAX_WAIT", "soon"),
    ] {
        let refused = settings(&[], &[(variable, value)], None);
        assert!(refused.is_err(), "{variable}={value}");
    }
    Ok(())
}

#[test]
fn secrets_are_not_shown() -> Result<(), Failure> {
    let given = [
        "--database-url=hunter2",
        "--ddl-url=hunter2",
        "--password-cmd=hunter2",
    ];
    let shown = format!("{:?}", settings(&given, &[], None)?);
    assert!(!shown.contains("hunter2"), "{shown}");
    Ok(())
}
