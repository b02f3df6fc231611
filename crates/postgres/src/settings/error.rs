//! What can be wrong with the connection settings. No variant holds a value, which could be a secret.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Origin;

/// Connection settings that cannot be used. Trying again does not help.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A parameter that libpq does not have either.
    #[error("{origin}: there is no connection parameter `{name}`")]
    UnknownParameter {
        /// The name, or a replacement where it does not look like one.
        name: String,
        /// Where it was written.
        origin: Origin,
    },
    /// A parameter, or a value of it, that asks for something that is not done here.
    #[error("{origin}: the connection parameter `{name}` is not supported with the value given")]
    UnsupportedParameter {
        /// libpq's keyword.
        name: &'static str,
        /// Where it was written.
        origin: Origin,
    },
    /// A value that does not fit its parameter.
    #[error("{origin}: the connection parameter `{name}` must be {expected}")]
    InvalidValue {
        /// libpq's keyword.
        name: &'static str,
        /// What is accepted.
        expected: &'static str,
        /// Where it was written.
        origin: Origin,
    },
    /// A connection string of `keyword=value` pairs that cannot be read.
    #[error("{origin}: not a connection string: {reason}")]
    Malformed {
        /// What is wrong, without a piece of the string.
        reason: &'static str,
        /// Where it was written.
        origin: Origin,
    },
    /// A connection URL that cannot be read.
    #[error("{origin}: not a connection URL")]
    Url {
        /// Where it was written.
        origin: Origin,
        /// The URL parser's reason; names parameters, never values.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Lists of hosts, addresses and ports whose lengths differ.
    #[error("{origin}: {count} values of `{name}` do not match {hosts} hosts")]
    HostList {
        /// `host` or `port`.
        name: &'static str,
        /// Length of that list.
        count: usize,
        /// Number of servers.
        hosts: usize,
        /// Where the list was written.
        origin: Origin,
    },
    /// No service file defines the service.
    #[error("{origin}: service `{service}` is defined in no service file")]
    ServiceNotFound {
        /// Name of the service.
        service: String,
        /// Where the service was named.
        origin: Origin,
    },
    /// A line of a service file that cannot be used.
    #[error("{origin}: {reason}")]
    ServiceLine {
        /// The file and line.
        origin: Origin,
        /// What is wrong with the line, without a piece of it.
        reason: &'static str,
    },
    /// A file that the settings name cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A certificate check was asked for, and there is no root certificate to check against.
    #[error(
        "root certificate file {} does not exist: name one with `sslrootcert`, use `sslrootcert=system`, or change `sslmode`",
        path.display()
    )]
    RootCertificateMissing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// No user name was given, and the operating system does not tell one.
    #[error("no user name: set `user` or PGUSER")]
    UserMissing,
}
