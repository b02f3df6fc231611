//! The settings file, `crossfade.toml`.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;

use crate::arguments::{Color, LogFormat};
use crate::error::{Code, Failure, Label, Place};

/// What the file may hold: the settings by the names of their options.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsFile {
    pub(super) database_url: Option<SecretString>,
    pub(super) ddl_url: Option<SecretString>,
    pub(super) password_cmd: Option<SecretString>,
    pub(super) state_schema: Option<String>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) color: Option<Color>,
    pub(super) lease_ttl: Option<String>,
    pub(super) max_wait: Option<String>,
}

impl SettingsFile {
    /// Reads a file that must be there.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("the settings file {} cannot be read", path.display());
            Failure::new(Code::SettingsFile, message).because(Some(&error))
        })?;
        toml::from_str(&text).map_err(|error| {
            let failure = Failure::new(Code::SettingsFile, error.message());
            let span = error.span().unwrap_or_default();
            failure.at(Place {
                file: path.display().to_string(),
                // The lines around may hold a password.
                text: None,
                labels: vec![label(&text, span)],
            })
        })
    }

    /// Reads a file that need not be there.
    pub(super) fn read_if_there(path: &Path) -> Result<Self, Failure> {
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            _ => Self::read(path),
        }
    }
}

fn label(text: &str, span: Range<usize>) -> Label {
    let before = text.get(..span.start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Label {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        span,
        text: String::new(),
    }
}
