//! Makes one connection: password, server by server and address by address, TLS, and the task that drives it.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use rand::seq::SliceRandom;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::application_name::application_name;
use super::cancel::{CancelError, CancelKey, Endpoint, Endpoints};
use super::{ConnectError, PasswordCommand, tls};
use crate::settings::{ConnectionSettings, Place, Server};

/// Opens connections of one set of settings. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    settings: Arc<ConnectionSettings>,
    password_command: Option<PasswordCommand>,
    tls: MakeRustlsConnect,
    endpoints: Endpoints,
    /// Done once something was connected.
    connected: Arc<Once>,
}

/// How long a server may take for a cancel request where connecting has no limit.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

impl Connector {
    /// Prepares to connect: reads the certificates, connects to nothing.
    pub fn new(
        settings: ConnectionSettings,
        password_command: Option<PasswordCommand>,
    ) -> Result<Self, ConnectError> {
        let tls = tls::client(&settings.tls)?;
        Ok(Self {
            settings: Arc::new(settings),
            password_command,
            tls,
            endpoints: Endpoints::default(),
            connected: Arc::new(Once::new()),
        })
    }

    /// The settings that it connects with.
    pub fn settings(&self) -> &ConnectionSettings {
        &self.settings
    }

    /// Whether it is a clone of the other, and leads to the same place in the same way.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }

    /// Opens a connection that shows as `crossfade/<tag>`, the tag being `<migration>/<role>`. It lives until the client is dropped; a statement that still runs then
    /// is waited for in the background.
    ///
    /// Each server of the list is tried with each of its addresses, within `connect_timeout` for each. A password
    /// command runs once for each call.
    pub async fn connect(&self, tag: &str) -> Result<Client, ConnectError> {
        let made = match &self.password_command {
            Some(command) => Some(command.run().await?),
            None => None,
        };
        let mut servers: Vec<&Server> = self.settings.servers.iter().collect();
        if self.settings.in_random_order {
            servers.shuffle(&mut rand::rng());
        }
        let mut servers = servers.into_iter().peekable();
        loop {
            let Some(server) = servers.next() else {
                unreachable!("settings always hold a server");
            };
            match Box::pin(self.connect_to(server, made.as_ref(), tag)).await {
                // As in libpq: a refused password is not tried on the next server.
                Err(error) if servers.peek().is_some() && is_of_one_server(&error) => {
                    tracing::debug!(%server, %error, "next server");
                }
                Ok(client) => {
                    (self.connected).call_once(|| tls::warn_of_unchecked(&self.settings.tls));
                    return Ok(client);
                }
                failed => return failed,
            }
        }
    }

    /// Asks the server to cancel what the connection of `token`, one of ours, runs, over the same
    /// kind of connection. Returns when the server, or a pooler in front of it, has passed that on;
    /// it does not say whether anything was cancelled.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), ConnectError> {
        // The token knows its server but does not tell it.
        let server = || self.settings.to_string();
        let limit = self.settings.connect_timeout.unwrap_or(CANCEL_TIMEOUT);
        let asked = Box::pin(self.endpoints.cancel(token, self.tls.clone()));
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(CancelError::Driver(source))) => Err(ConnectError::classify(server(), source)),
            Ok(Err(CancelError::Socket(source))) => Err(ConnectError::NotCancelled {
                server: server(),
                source,
            }),
            Err(_) => Err(ConnectError::TimedOut {
                server: server(),
                limit,
            }),
        }
    }

    async fn connect_to(
        &self,
        server: &Server,
        made: Option<&SecretString>,
        tag: &str,
    ) -> Result<Client, ConnectError> {
        let mut config = self.settings.base.clone();
        config
            .application_name(application_name(tag))
            .port(server.port);
        if let Some(password) = made {
            config.password(password.expose_secret());
        } else if let Some(password) = self.settings.stored_password(server).await? {
            config.password(password.expose_secret());
        }
        let (host, addresses) = match &server.place {
            Place::Socket(directory) => {
                // PostgreSQL has no TLS on a socket; libpq ignores `sslmode` there too.
                config.host_path(directory).ssl_mode(SslMode::Disable);
                let socket = directory.join(format!(".s.PGSQL.{}", server.port));
                return self.open(&config, server, Endpoint::Socket(socket)).await;
            }
            Place::Host {
                name,
                address: Some(address),
            } => (name, vec![*address]),
            Place::Host {
                name,
                address: None,
            } => (name, self.resolve(name, server).await?),
        };
        config.host(host);
        let mut addresses = addresses.into_iter().peekable();
        loop {
            let Some(address) = addresses.next() else {
                unreachable!("a resolved host has an address");
            };
            let mut config = config.clone();
            config.hostaddr(address);
            let endpoint = Endpoint::Tcp(host.clone(), address, server.port);
            match self.open(&config, server, endpoint).await {
                Err(error) if addresses.peek().is_some() && is_of_one_server(&error) => {
                    tracing::debug!(%server, %address, %error, "next address");
                }
                result => return result,
            }
        }
    }

    /// The addresses of a host: at least one.
    async fn resolve(&self, host: &str, server: &Server) -> Result<Vec<IpAddr>, ConnectError> {
        let unresolved = |source| ConnectError::Unresolved {
            server: server.to_string(),
            source,
        };
        let lookup = tokio::net::lookup_host((host, server.port));
        let found =
            match self.settings.connect_timeout {
                Some(limit) => tokio::time::timeout(limit, lookup).await.map_err(|_| {
                    ConnectError::TimedOut {
                        server: server.to_string(),
                        limit,
                    }
                })?,
                None => lookup.await,
            };
        let mut addresses: Vec<_> = found
            .map_err(unresolved)?
            .map(|address| address.ip())
            .collect();
        if addresses.is_empty() {
            return Err(unresolved(std::io::ErrorKind::NotFound.into()));
        }
        if self.settings.in_random_order {
            addresses.shuffle(&mut rand::rng());
        }
        Ok(addresses)
    }

    /// Connects to the one address in `config`.
    async fn open(
        &self,
        config: &Config,
        server: &Server,
        endpoint: Endpoint,
    ) -> Result<Client, ConnectError> {
        let connecting = Box::pin(config.connect(self.tls.clone()));
        let (client, connection) = within(self.settings.connect_timeout, connecting, || {
            server.to_string()
        })
        .await?;
        let key = CancelKey::of(&client.cancel_token()).await;
        if let Some(key) = key {
            self.endpoints.add(key, endpoint);
        }
        let endpoints = self.endpoints.clone();
        tokio::spawn(async move {
            drive(connection).await;
            if let Some(key) = key {
                endpoints.remove(key);
            }
        });
        Ok(client)
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("settings", &self.settings)
            .field("password_command", &self.password_command)
            .finish_non_exhaustive()
    }
}

/// Waits for `attempt`, at most for `limit`; tokio-postgres' own limit covers the socket, not TLS or authentication.
async fn within<T>(
    limit: Option<Duration>,
    attempt: impl Future<Output = Result<T, tokio_postgres::Error>>,
    server: impl Fn() -> String,
) -> Result<T, ConnectError> {
    let result = match limit {
        Some(limit) => match tokio::time::timeout(limit, attempt).await {
            Ok(result) => result,
            Err(_) => {
                return Err(ConnectError::TimedOut {
                    server: server(),
                    limit,
                });
            }
        },
        None => attempt.await,
    };
    result.map_err(|source| ConnectError::classify(server(), source))
}

/// Whether another server or address may do where this one failed.
fn is_of_one_server(error: &ConnectError) -> bool {
    error.is_retryable() || matches!(error, ConnectError::Tls { .. })
}

/// Runs a connection to its end. Awaiting it plainly would log the server's notices, whose texts can hold rows.
async fn drive<S>(mut connection: Connection<Socket, S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let Err(error) = message {
            let sqlstate = error.code().map(tokio_postgres::error::SqlState::code);
            tracing::debug!(sqlstate, %error, "connection ended");
            return;
        }
    }
}
