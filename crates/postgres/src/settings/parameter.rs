//! The connection parameters libpq knows, and the values collected for them from every source.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::SettingsError;

/// Where a connection parameter was written, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A connection string; the text names the flag or variable that held it.
    ConnectionString(&'static str),
    /// A line (from 1) of a service file.
    ServiceFile {
        /// Path of the service file.
        path: PathBuf,
        /// Line in it, counted from 1.
        line: usize,
    },
    /// An environment variable of libpq.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionString(label) => f.write_str(label),
            Self::ServiceFile { path, line } => {
                write!(f, "service file {}, line {line}", path.display())
            }
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// What becomes of a parameter.
#[derive(Clone, Copy)]
enum Support {
    /// Read and honoured.
    Honoured,
    /// Accepted and without effect here: it cannot weaken or redirect the connection.
    WithoutEffect,
    /// Only these values are what happens anyway; any other asks for something that would not be done.
    Only(&'static [&'static str]),
    /// Asks for something that would not be done.
    Refused,
}

use Support::{Honoured, Only, Refused, WithoutEffect};

/// Keyword of a connection string, its environment variable, and what becomes of it.
/// The list is PostgreSQL's `PQconninfoOptions`: a parameter that is silently ignored could turn a protection off.
const KEYWORDS: &[(&str, Option<&str>, Support)] = &[
    ("application_name", Some("PGAPPNAME"), WithoutEffect),
    ("channel_binding", Some("PGCHANNELBINDING"), Honoured),
    (
        "client_encoding",
        Some("PGCLIENTENCODING"),
        Only(&["auto", "utf8", "UTF8", "utf-8", "UTF-8"]),
    ),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Honoured),
    ("dbname", Some("PGDATABASE"), Honoured),
    ("fallback_application_name", None, WithoutEffect),
    ("gssdelegation", Some("PGGSSDELEGATION"), Only(&["0"])),
    (
        "gssencmode",
        Some("PGGSSENCMODE"),
        Only(&["disable", "prefer"]),
    ),
    ("gsslib", Some("PGGSSLIB"), WithoutEffect),
    ("host", Some("PGHOST"), Honoured),
    ("hostaddr", Some("PGHOSTADDR"), Honoured),
    ("keepalives", None, Honoured),
    ("keepalives_count", None, Honoured),
    ("keepalives_idle", None, Honoured),
    ("keepalives_interval", None, Honoured),
    ("krbsrvname", Some("PGKRBSRVNAME"), WithoutEffect),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Honoured),
    (
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        Refused,
    ),
    (
        "min_protocol_version",
        Some("PGMINPROTOCOLVERSION"),
        Only(&["3.0"]),
    ),
    ("options", Some("PGOPTIONS"), Honoured),
    ("passfile", Some("PGPASSFILE"), Honoured),
    ("password", Some("PGPASSWORD"), Honoured),
    ("port", Some("PGPORT"), Honoured),
    ("replication", None, Only(&["false", "off", "no", "0"])),
    ("require_auth", Some("PGREQUIREAUTH"), Refused),
    ("requirepeer", Some("PGREQUIREPEER"), Refused),
    ("requiressl", Some("PGREQUIRESSL"), Only(&["0"])),
    ("service", Some("PGSERVICE"), Honoured),
    ("servicefile", Some("PGSERVICEFILE"), Honoured),
    (
        "ssl_max_protocol_version",
        Some("PGSSLMAXPROTOCOLVERSION"),
        Refused,
    ),
    (
        "ssl_min_protocol_version",
        Some("PGSSLMINPROTOCOLVERSION"),
        Only(&["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ),
    ("sslcert", Some("PGSSLCERT"), Honoured),
    ("sslcertmode", Some("PGSSLCERTMODE"), Only(&["allow"])),
    ("sslcompression", Some("PGSSLCOMPRESSION"), Only(&["0"])),
    ("sslcrl", Some("PGSSLCRL"), Refused),
    ("sslcrldir", Some("PGSSLCRLDIR"), Refused),
    ("sslkey", Some("PGSSLKEY"), Honoured),
    ("sslmode", Some("PGSSLMODE"), Honoured),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Honoured),
    ("sslpassword", None, Refused),
    ("sslrootcert", Some("PGSSLROOTCERT"), Honoured),
    ("sslsni", Some("PGSSLSNI"), Only(&["1"])),
    (
        "target_session_attrs",
        Some("PGTARGETSESSIONATTRS"),
        Honoured,
    ),
    ("tcp_user_timeout", None, Honoured),
    ("user", Some("PGUSER"), Honoured),
];

/// Every environment variable that stands for a connection parameter, with the parameter's keyword.
pub(super) fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYWORDS
        .iter()
        .filter_map(|(keyword, variable, _)| variable.map(|variable| (variable, *keyword)))
}

/// A value and where it was written.
pub(super) struct Parameter {
    value: SecretString,
    pub(super) origin: Origin,
}

impl Parameter {
    /// The value itself, which may be a secret.
    pub(super) fn value(&self) -> &str {
        self.value.expose_secret()
    }

    /// The error for a value that does not fit, without the value.
    pub(super) fn invalid(&self, name: &'static str, expected: &'static str) -> SettingsError {
        SettingsError::InvalidValue {
            name,
            expected,
            origin: self.origin.clone(),
        }
    }
}

/// The parameters given so far. Sources are added from the strongest to the weakest, a value once set stays.
#[derive(Default)]
pub(super) struct Parameters {
    values: BTreeMap<&'static str, Parameter>,
}

impl Parameters {
    /// Adds the parameters of one source. Within a source the last value of a keyword wins, as in libpq.
    pub(super) fn add_source(
        &mut self,
        source: impl IntoIterator<Item = (String, SecretString, Origin)>,
    ) -> Result<(), SettingsError> {
        let mut added = BTreeMap::new();
        for (name, value, origin) in source {
            let keyword = accept(&name, &value, &origin)?;
            added.insert(keyword, Parameter { value, origin });
        }
        for (keyword, parameter) in added {
            self.values.entry(keyword).or_insert(parameter);
        }
        Ok(())
    }

    /// The value of `keyword`; an empty one hides weaker sources and counts as not given, as in libpq.
    pub(super) fn get(&self, keyword: &str) -> Option<&Parameter> {
        self.values
            .get(keyword)
            .filter(|parameter| !parameter.value().is_empty())
    }
}

/// Checks that `name` is a parameter whose `value` will be honoured, and gives its keyword.
fn accept(
    name: &str,
    value: &SecretString,
    origin: &Origin,
) -> Result<&'static str, SettingsError> {
    let Some((keyword, _, support)) = KEYWORDS.iter().find(|(keyword, ..)| *keyword == name) else {
        return Err(SettingsError::UnknownParameter {
            name: presentable(name),
            origin: origin.clone(),
        });
    };
    let honoured = match support {
        Honoured | WithoutEffect => true,
        Only(values) => value.expose_secret().is_empty() || values.contains(&value.expose_secret()),
        Refused => value.expose_secret().is_empty(),
    };
    if honoured {
        Ok(keyword)
    } else {
        Err(SettingsError::UnsupportedParameter {
            name: keyword,
            origin: origin.clone(),
        })
    }
}

/// An unknown name as it may be printed: a piece of an unquoted password can end up in the place of a keyword.
fn presentable(name: &str) -> String {
    let plain = name.len() <= 32 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if plain { name } else { "(not shown)" }.to_owned()
}
