//! Connecting: one session at a time or through a pool, over TLS, with a password that may be made for each connection.

mod application_name;
mod cancel;
mod connector;
mod error;
mod password_command;
mod pool;
mod tls;
mod verifier;

pub(crate) use self::cancel::CancelKey;
pub use self::connector::Connector;
pub use self::error::{ConnectError, TlsSetupError};
pub use self::password_command::{PasswordCommand, PasswordCommandError};
pub use self::pool::{Pool, PooledClient};
