//! Settings: an option of the command line wins over the environment, that over the settings
//! file, that over the default.

mod file;
mod variable;

use std::path::Path;
use std::time::Duration;

use crossfade_plan::Ident;
use crossfade_postgres::ConnectionString;
use secrecy::SecretString;

use crate::arguments::{Color, GlobalArguments, LogFormat};
use crate::error::{Code, Failure};
use crate::work::{parse_duration, parse_lease_ttl};

use self::file::SettingsFile;
use self::variable::Variables;

const DEFAULT_FILE: &str = "crossfade.toml";
const DEFAULT_STATE_SCHEMA: &str = "crossfade";

/// What every command needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The connection, where libpq's own settings are not all.
    pub(crate) database_url: Option<ConnectionString>,
    /// The way past a pooler, if it is another one.
    pub(crate) ddl_url: Option<ConnectionString>,
    /// Makes a password for each connection.
    pub(crate) password_cmd: Option<SecretString>,
    /// Where the state is.
    pub(crate) state_schema: Ident,
    /// Form of the log.
    pub(crate) log_format: LogFormat,
    /// How much is logged: 0 warnings, up to 3 everything.
    pub(crate) verbose: u8,
    /// When colours are used.
    pub(crate) color: Color,
    /// How long a lease lives without a sign of life, unless a command says otherwise.
    pub(crate) lease_ttl: Option<Duration>,
    /// How long locks and the like are waited for, unless a command says otherwise.
    pub(crate) max_wait: Option<Duration>,
}

impl Settings {
    /// The settings of this process.
    pub(crate) fn of_process(given: &GlobalArguments) -> Result<Self, Failure> {
        Self::layered(
            given,
            &Variables::new(|name| std::env::var_os(name)),
            Path::new("."),
        )
    }

    /// `directory` is where the settings file is looked for.
    fn layered(
        given: &GlobalArguments,
        variables: &Variables<'_>,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let named = match &given.config {
            Some(path) => Some(path.clone()),
            None => variables.text("CROSSFADE_CONFIG")?.map(Into::into),
        };
        let file = match named {
            Some(path) => SettingsFile::read(&path)?,
            None => SettingsFile::read_if_there(&directory.join(DEFAULT_FILE))?,
        };
        let database_url = match &given.database_url {
            Some(text) => Some(from_option(text, "--database-url")),
            None => match variables.url("CROSSFADE_DATABASE_URL")? {
                Some(url) => Some(url),
                None => match variables.url("DATABASE_URL")? {
                    Some(url) => Some(url),
                    None => file
                        .database_url
                        .map(|text| from_file(text, "database_url")),
                },
            },
        };
        let ddl_url = match &given.ddl_url {
            Some(text) => Some(from_option(text, "--ddl-url")),
            None => match variables.url("CROSSFADE_DDL_URL")? {
                Some(url) => Some(url),
                None => file.ddl_url.map(|text| from_file(text, "ddl_url")),
            },
        };
        let password_cmd = match &given.password_cmd {
            Some(command) => Some(command.clone()),
            None => variables
                .text("CROSSFADE_PASSWORD_CMD")?
                .map(SecretString::from)
                .or(file.password_cmd),
        };
        let log_format = match given.log_format {
            Some(format) => Some(format),
            None => variables
                .one_of("CROSSFADE_LOG_FORMAT")?
                .or(file.log_format),
        };
        let color = match given.color {
            Some(color) => Some(color),
            None => variables.one_of("CROSSFADE_COLOR")?.or(file.color),
        };
        Ok(Self {
            database_url,
            ddl_url,
            password_cmd,
            state_schema: state_schema(given, variables, file.state_schema)?,
            log_format: log_format.unwrap_or_default(),
            verbose: given.verbose,
            color: color.unwrap_or_default(),
            lease_ttl: duration(
                variables,
                ["CROSSFADE_LEASE_TTL", "lease_ttl"],
                file.lease_ttl,
                parse_lease_ttl,
            )?,
            max_wait: duration(
                variables,
                ["CROSSFADE_MAX_WAIT", "max_wait"],
                file.max_wait,
                parse_duration,
            )?,
        })
    }
}

fn from_option(text: &SecretString, origin: &'static str) -> ConnectionString {
    ConnectionString {
        text: text.clone(),
        origin,
    }
}

fn from_file(text: SecretString, key: &'static str) -> ConnectionString {
    let origin = match key {
        "ddl_url" => "ddl_url of the settings file",
        _ => "database_url of the settings file",
    };
    ConnectionString { text, origin }
}

/// A length of time, by the names of the variable and of the key in the settings file.
fn duration(
    variables: &Variables<'_>,
    [variable, key]: [&'static str; 2],
    file: Option<String>,
    parse: fn(&str) -> Result<Duration, String>,
) -> Result<Option<Duration>, Failure> {
    let (text, origin) = match (variables.text(variable)?, file) {
        (Some(text), _) => (text, variable.to_owned()),
        (None, Some(text)) => (text, format!("{key} of the settings file")),
        (None, None) => return Ok(None),
    };
    parse(&text).map(Some).map_err(|help| {
        let message = format!("{origin} is {text:?}: {help}");
        Failure::new(Code::SettingsFile, message)
    })
}

/// Names are read as SQL reads them, here as in plan files.
fn state_schema(
    given: &GlobalArguments,
    variables: &Variables<'_>,
    file: Option<String>,
) -> Result<Ident, Failure> {
    let variable = "CROSSFADE_STATE_SCHEMA";
    let (text, origin, code) = match &given.state_schema {
        Some(text) => (text.clone(), "--state-schema", Code::CommandLine),
        None => match (variables.text(variable)?, file) {
            (Some(text), _) => (text, variable, Code::SettingsFile),
            (None, Some(text)) => (
                text,
                "state_schema of the settings file",
                Code::SettingsFile,
            ),
            (None, None) => (DEFAULT_STATE_SCHEMA.to_owned(), "default", Code::Internal),
        },
    };
    Ident::parse(&text).map_err(|error| {
        Failure::new(code, format!("{origin}: {text:?} is no name of a schema"))
            .because(Some(&error))
    })
}

#[cfg(test)]
mod tests;
