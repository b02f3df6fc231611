//! The surroundings that libpq's defaults come from, captured once so that nothing else reads the process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::parameter::{self, Origin};

/// Variable that names the directory of the system-wide service file; not a connection parameter.
const SYSTEM_CONFIGURATION: &str = "PGSYSCONFDIR";

/// Where servers put their socket unless told otherwise: packages of distributions, and PostgreSQL's own default.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Values of libpq's environment variables, and of what stands around them.
pub struct Environment {
    variables: BTreeMap<&'static str, (&'static str, SecretString)>,
    pub(super) system_configuration: Option<PathBuf>,
    pub(super) home: Option<PathBuf>,
    pub(super) user: Option<String>,
    pub(super) socket_directories: Vec<PathBuf>,
}

impl Environment {
    /// The environment of this process: its variables, home directory and operating system user.
    pub fn from_process() -> Self {
        Self::new(
            |name| std::env::var(name).ok(),
            std::env::home_dir(),
            whoami::username().ok(),
        )
    }

    /// An environment of the given variables, home directory and operating system user.
    pub fn new(
        lookup: impl Fn(&str) -> Option<String>,
        home: Option<PathBuf>,
        user: Option<String>,
    ) -> Self {
        let variables = parameter::variables()
            .filter_map(|(variable, keyword)| {
                lookup(variable).map(|value| (variable, (keyword, value.into())))
            })
            .collect();
        Self {
            variables,
            system_configuration: lookup(SYSTEM_CONFIGURATION).map(PathBuf::from),
            home,
            user,
            socket_directories: SOCKET_DIRECTORIES.map(PathBuf::from).into(),
        }
    }

    /// The connection parameters that the variables set.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (String, SecretString, Origin)> {
        self.variables.iter().map(|(variable, (keyword, value))| {
            (
                (*keyword).to_owned(),
                value.clone(),
                Origin::Variable(variable),
            )
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
