//! Why there is no connection, and whether trying again can help.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio_postgres::error::SqlState;

use super::PasswordCommandError;
use crate::settings::SettingsError;

/// A connection that was not made. No text holds a password or a connection string; servers are named by host and port.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The password command gave no password.
    #[error(transparent)]
    PasswordCommand(#[from] PasswordCommandError),
    /// The certificates for TLS cannot be used.
    #[error(transparent)]
    TlsSetup(#[from] TlsSetupError),
    /// The server offers no TLS, or its certificate was refused.
    #[error("no trusted TLS connection to {server}")]
    Tls {
        /// Host and port.
        server: String,
        /// What TLS says.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server refused the role or its password (class 28), or asked for a proof that cannot be given.
    #[error("{server} refused the authentication")]
    Authentication {
        /// Host and port.
        server: String,
        /// The server's reason.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server's host name has no address.
    #[error("the address of {server} cannot be found")]
    Unresolved {
        /// Host and port.
        server: String,
        /// The resolver's reason.
        #[source]
        source: io::Error,
    },
    /// No server answers, it broke off, or it is not of the kind that `target_session_attrs` asks for.
    #[error("cannot connect to {server}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// The network's reason.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Connecting took longer than `connect_timeout`.
    #[error("cannot connect to {server} within {limit:?}")]
    TimedOut {
        /// Host and port.
        server: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The server, or the role's limit, has no connection left.
    #[error("{server} has no connection left")]
    TooManyConnections {
        /// Host and port.
        server: String,
        /// The server's reason.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server is starting, stopping or recovering.
    #[error("{server} does not accept connections yet")]
    NotReady {
        /// Host and port.
        server: String,
        /// The server's reason.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server refused the connection for another reason: no such database, no privilege to connect.
    #[error("{server} refused the connection")]
    Refused {
        /// Host and port.
        server: String,
        /// The server's reason.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A cancel request did not get through: what was to be cancelled goes on.
    #[error("no cancel request reaches {server}")]
    NotCancelled {
        /// The connection's settings, without password.
        server: String,
        /// The network's reason.
        #[source]
        source: io::Error,
    },
    /// A pooler in transaction mode answers where a connection is needed that keeps its session.
    #[error(
        "{server} is a pooler in transaction mode, which keeps no session: \
         give the address of the server itself with --ddl-url"
    )]
    Pooled {
        /// The connection's settings, without password.
        server: String,
    },
    /// All connections of the pool stayed in use.
    #[error("no connection of the pool became free within {limit:?}")]
    PoolExhausted {
        /// The limit that passed.
        limit: Duration,
    },
}

impl ConnectError {
    /// Whether the same attempt can succeed later without anybody changing the settings or the server.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unresolved { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotCancelled { .. }
            | Self::TooManyConnections { .. }
            | Self::NotReady { .. }
            | Self::PoolExhausted { .. } => true,
            // A token service that is out of reach for a moment looks like any other failure of the command.
            Self::PasswordCommand(error) => matches!(
                error,
                PasswordCommandError::Failed(_) | PasswordCommandError::TimedOut(_)
            ),
            Self::Settings(_)
            | Self::TlsSetup(_)
            | Self::Tls { .. }
            | Self::Authentication { .. }
            | Self::Pooled { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// The server's SQLSTATE, where a server answered with one.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        match self {
            Self::Tls { source, .. }
            | Self::Authentication { source, .. }
            | Self::Unreachable { source, .. }
            | Self::TooManyConnections { source, .. }
            | Self::NotReady { source, .. }
            | Self::Refused { source, .. } => source.code(),
            _ => None,
        }
    }

    /// Puts an error of tokio-postgres in its class.
    pub(super) fn classify(server: String, source: tokio_postgres::Error) -> Self {
        if let Some(code) = source.code() {
            return match code.code() {
                "53300" => Self::TooManyConnections { server, source },
                "57P01" | "57P02" | "57P03" => Self::NotReady { server, source },
                state if state.starts_with("28") => Self::Authentication { server, source },
                "08P01" => match PoolerRefusal::of(&source) {
                    Some(PoolerRefusal::Authentication) => Self::Authentication { server, source },
                    Some(PoolerRefusal::TooMany) => Self::TooManyConnections { server, source },
                    Some(PoolerRefusal::Settings) => Self::Refused { server, source },
                    // PgBouncer answers so while the server behind it is away.
                    None => Self::Unreachable { server, source },
                },
                state if state.starts_with("08") => Self::Unreachable { server, source },
                _ => Self::Refused { server, source },
            };
        }
        match Stage::of(&source) {
            Stage::Handshake if !is_network_failure(&source) => Self::Tls { server, source },
            Stage::Authentication => Self::Authentication { server, source },
            Stage::Handshake | Stage::Other => Self::Unreachable { server, source },
        }
    }
}

/// What PgBouncer refuses, by itself or in the server's words. It gives every error the SQLSTATE of
/// a broken protocol (newer versions have others for some), so only the texts tell them apart; one
/// that is not known counts as an absent server, which is asked again.
enum PoolerRefusal {
    Authentication,
    TooMany,
    Settings,
}

impl PoolerRefusal {
    fn of(error: &tokio_postgres::Error) -> Option<Self> {
        let text = error.as_db_error()?.message();
        let begins = |texts: &[&str]| texts.iter().any(|begin| text.starts_with(begin));
        if begins(&[
            "SASL authentication failed",
            "password authentication failed",
            "no such user",
            "login rejected",
            "not allowed",
            "SSL required",
            "TLS required",
        ]) {
            Some(Self::Authentication)
        } else if begins(&["no more connections allowed"]) {
            Some(Self::TooMany)
        } else if begins(&[
            "unsupported startup parameter",
            "no such database",
            "permission denied for database",
        ]) || (text.starts_with("database ") && text.ends_with(" does not exist"))
        {
            Some(Self::Settings)
        } else {
            None
        }
    }
}

/// Where an error without SQLSTATE arose. tokio-postgres keeps its kinds private, only their texts are public.
enum Stage {
    Handshake,
    Authentication,
    Other,
}

impl Stage {
    fn of(error: &tokio_postgres::Error) -> Self {
        match error.to_string().as_str() {
            "error performing TLS handshake" => Self::Handshake,
            // "Invalid configuration" is a server that wants a password, or channel binding, that there is none of.
            "authentication error" | "invalid configuration" => Self::Authentication,
            _ => Self::Other,
        }
    }
}

/// Whether a handshake ended because the connection broke, not because a certificate was refused.
fn is_network_failure(error: &tokio_postgres::Error) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| {
            !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            )
        })
}

/// Certificates, keys or trust stores that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// A PEM file cannot be read.
    #[error("cannot read {what} from {}", path.display())]
    Pem {
        /// What the file should hold.
        what: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A PEM file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// Path of the file.
        path: PathBuf,
    },
    /// A private key that others can read.
    #[error("private key {} can be read by others: its permissions should be 0600", path.display())]
    ExposedKey {
        /// Path of the file.
        path: PathBuf,
    },
    /// A file cannot be looked at.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// TLS does not accept a certificate or key, or the system has no trust store.
    #[error("the certificates for TLS cannot be used")]
    Rejected(#[source] rustls::Error),
}
