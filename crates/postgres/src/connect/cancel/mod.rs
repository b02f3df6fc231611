//! Cancel requests, as libpq sends them: the connection stays open until the server closes it.
//!
//! The driver closes it at once. PostgreSQL does not mind, but PgBouncer drops the request of a
//! client that has gone before it has passed it on. So the requests go out on connections of our
//! own, to where the connection that they are about was opened to.

mod stream;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::stream::{Plain, Secured, Stream};

/// What a cancel request says about the connection that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CancelKey {
    /// The process id: the backend's, unless a pooler made it up.
    pub(crate) pid: i32,
    secret: [u8; 4],
}

impl CancelKey {
    /// Reads it. The driver shows it in the request alone, so the request is written to ourselves.
    /// `None` if it cannot be.
    pub(crate) async fn of(token: &CancelToken) -> Option<Self> {
        let (mut ours, theirs) = tokio::io::duplex(64);
        // The answer to a request for TLS, which comes first where TLS is on.
        ours.write_all(b"S").await.ok()?;
        let theirs = Stream::new(theirs);
        token.cancel_query_raw(theirs, Plain).await.ok()?;
        let mut request = Vec::new();
        ours.read_to_end(&mut request).await.ok()?;
        // Length, code, process id, secret: four bytes each.
        let key = request.last_chunk::<8>()?;
        Some(Self {
            pid: i32::from_be_bytes(*key.first_chunk()?),
            secret: *key.last_chunk()?,
        })
    }
}

/// Where a connection was opened to.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// The socket itself.
    Socket(PathBuf),
    /// The host's name, for its certificate, with the address that answered.
    Tcp(String, IpAddr, u16),
}

/// The open connections of a connector, and where they lead.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints(Arc<Mutex<HashMap<CancelKey, Endpoint>>>);

impl Endpoints {
    pub(super) fn add(&self, key: CancelKey, endpoint: Endpoint) {
        self.lock().insert(key, endpoint);
    }

    pub(super) fn remove(&self, key: CancelKey) {
        self.lock().remove(&key);
    }

    /// Sends the request of `token`, and returns when the server has closed the connection: it has
    /// done then what it could. Does nothing if the connection that it is for has ended.
    pub(super) async fn cancel(
        &self,
        token: &CancelToken,
        mut tls: MakeRustlsConnect,
    ) -> Result<(), CancelError> {
        let key = CancelKey::of(token).await;
        let Some(endpoint) = key.and_then(|key| self.lock().get(&key).cloned()) else {
            return Ok(());
        };
        match endpoint {
            Endpoint::Socket(path) => {
                let socket = UnixStream::connect(path).await?;
                send(token, socket, NoTls).await
            }
            Endpoint::Tcp(host, address, port) => {
                let socket = TcpStream::connect(SocketAddr::new(address, port)).await?;
                let Ok(tls) = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls, &host);
                send(token, socket, tls).await
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CancelKey, Endpoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send<S, T>(token: &CancelToken, socket: S, tls: T) -> Result<(), CancelError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<Stream<S>>,
    T::Future: Send + 'static,
{
    let socket = Stream::lingering(socket);
    Ok(token.cancel_query_raw(socket, Secured(tls)).await?)
}

/// Why a request did not get through.
#[derive(Debug)]
pub(super) enum CancelError {
    /// There is no connection.
    Socket(io::Error),
    /// It broke, or TLS failed.
    Driver(tokio_postgres::Error),
}

impl From<io::Error> for CancelError {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl From<tokio_postgres::Error> for CancelError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Driver(error)
    }
}
