//! Errors of connecting and of the connection settings.

use crossfade_postgres::{BeginError, ConnectError, SettingsError};

use super::{Code, Failure};

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::of(Code::ConnectionSettings, &error)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let code = match &error {
            ConnectError::Settings(_) => Code::ConnectionSettings,
            ConnectError::PasswordCommand(_) if error.is_retryable() => Code::PasswordCommandFailed,
            ConnectError::PasswordCommand(_) => Code::PasswordCommand,
            ConnectError::TlsSetup(_) | ConnectError::Tls { .. } => Code::Tls,
            ConnectError::Authentication { .. } => Code::Authentication,
            ConnectError::TooManyConnections { .. } | ConnectError::PoolExhausted { .. } => {
                Code::NoConnectionFree
            }
            _ if error.is_retryable() => Code::Unreachable,
            _ => Code::ConnectionRefused,
        };
        let failure = Self::of(code, &error);
        match error {
            ConnectError::Pooled { .. } => {
                failure.next("Run the same command with --ddl-url; earlier work stands.")
            }
            _ => failure,
        }
    }
}

impl From<BeginError> for Failure {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Connect(error) => error.into(),
            BeginError::Query(error) => error.into(),
            error => Self::of(Code::Internal, &error),
        }
    }
}
