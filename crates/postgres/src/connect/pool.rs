//! A bounded pool of connections that show the same name.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, PoolError, RecyclingMethod, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use super::{ConnectError, Connector};

/// A client of a [`Pool`]; goes back to it when dropped. `Object::take` keeps it out for good.
pub type PooledClient = deadpool_postgres::Object;

type Opening<'a> = Pin<
    Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>,
>;

/// What could not be opened, in order: one for each error that the pool passes on.
type Failures = Arc<Mutex<VecDeque<ConnectError>>>;

/// Opens connections for the pool.
///
/// The pool passes on the driver's errors only, which has none for a password command or a time
/// limit: the error as it was waits in `failed` for whoever asked the pool for a connection.
struct Opener {
    connector: Connector,
    tag: String,
    failed: Failures,
}

impl Connect for Opener {
    fn connect(&self, _: &Config) -> Opening<'_> {
        Box::pin(async move {
            match self.connector.connect(&self.tag).await {
                // The connection ends with its client; the pool wants a task that it may end.
                Ok(client) => Ok((client, tokio::spawn(async {}))),
                Err(error) => {
                    self.failed
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push_back(error);
                    Err(placeholder())
                }
            }
        })
    }
}

/// Some error of the driver, in whose place the real one is reported.
fn placeholder() -> tokio_postgres::Error {
    match "no=parameter".parse::<Config>() {
        Err(error) => error,
        Ok(_) => unreachable!("no such parameter exists"),
    }
}

/// At most so many connections at a time. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Pool {
    connections: deadpool_postgres::Pool,
    failed: Failures,
    wait: Duration,
}

impl Pool {
    /// A pool of at most `size` connections shown as `crossfade/<tag>`; none is opened yet. `wait` is how long [`Pool::get`] waits
    /// for one to come back.
    ///
    /// A client is used again if its connection is open; nothing is sent to find out.
    pub fn new(connector: Connector, tag: &str, size: usize, wait: Duration) -> Self {
        let failed = Failures::default();
        let opener = Opener {
            connector,
            tag: tag.to_owned(),
            failed: Arc::clone(&failed),
        };
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let built = deadpool_postgres::Pool::builder(Manager::from_connect(
            Config::new(),
            opener,
            recycling,
        ))
        .max_size(size)
        .wait_timeout(Some(wait))
        .runtime(Runtime::Tokio1)
        .build();
        match built {
            Ok(connections) => Self {
                connections,
                failed,
                wait,
            },
            Err(_) => unreachable!("it fails without a runtime only, which is given above"),
        }
    }

    /// A connection that nobody else uses: an idle one, or a new one.
    pub async fn get(&self) -> Result<PooledClient, ConnectError> {
        self.connections.get().await.map_err(|error| match error {
            PoolError::Backend(_) => {
                match self
                    .failed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front()
                {
                    Some(error) => error,
                    None => unreachable!("the opener leaves an error for each one it returns"),
                }
            }
            PoolError::Timeout(_) => ConnectError::PoolExhausted { limit: self.wait },
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                unreachable!("the pool is never closed, has a runtime and no hook")
            }
        })
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("status", &self.connections.status())
            .finish_non_exhaustive()
    }
}
