//! A proxy that loses the answer of one COMMIT: the server has committed, the client sees a closed
//! connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossfade_testkit::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::config::Host;

/// Every commit ends like this.
const COMMIT: &[u8] = b"; commit";

/// Passes connections on to a server.
pub(crate) struct Proxy {
    url: String,
    wanted: Arc<Mutex<Option<Loss>>>,
}

/// What is to be lost, and how often it was.
#[derive(Clone)]
pub(crate) struct Loss {
    after: Vec<u8>,
    times: Arc<AtomicUsize>,
}

impl Loss {
    /// How often an answer was lost so far.
    pub(crate) fn times(&self) -> usize {
        self.times.load(Ordering::SeqCst)
    }
}

impl Proxy {
    /// Stands before the server of `url`, which must be one on a port of this machine.
    pub(crate) async fn start(url: &str) -> Result<Self> {
        let config: tokio_postgres::Config = url.parse()?;
        let (Some(Host::Tcp(host)), Some(port)) =
            (config.get_hosts().first(), config.get_ports().first())
        else {
            return Err("the server has no port".into());
        };
        let server = format!("{host}:{port}");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = listener.local_addr()?.port();
        let wanted: Arc<Mutex<Option<Loss>>> = Arc::default();
        let proxy = Self {
            url: url.replace(&format!("port={port}"), &format!("port={own}")),
            wanted: Arc::clone(&wanted),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, wanted) = (server.clone(), Arc::clone(&wanted));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        // Either side closing it ends it.
                        let _ = pass(client, server, &wanted).await;
                    }
                });
            }
        });
        Ok(proxy)
    }

    /// Where clients connect to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// On the connection that sends `statement` next, the answer of the COMMIT that follows it
    /// does not arrive.
    pub(crate) fn lose_the_answer_of_the_commit_after(&self, statement: &str) -> Loss {
        let loss = Loss {
            after: statement.as_bytes().to_vec(),
            times: Arc::default(),
        };
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(loss.clone());
        loss
    }
}

/// Passes bytes until one side closes, or the answer comes that is to be lost.
async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    wanted: &Mutex<Option<Loss>>,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 1 << 18], vec![0; 1 << 16]);
    let mut said = Vec::new();
    let (mut losing, mut committing) = (None, false);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                said.extend_from_slice(bytes);
                losing = losing.or_else(|| found(wanted, &said));
                committing = losing.is_some() && contains(bytes, COMMIT);
                server.write_all(bytes).await?;
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                said.clear();
                match &losing {
                    Some(loss) if committing => {
                        loss.times.fetch_add(1, Ordering::SeqCst);
                        return Ok(());
                    }
                    _ => client.write_all(bytes).await?,
                }
            }
        }
    }
}

/// What is to be lost on this connection, once it has sent what was named.
fn found(wanted: &Mutex<Option<Loss>>, said: &[u8]) -> Option<Loss> {
    let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
    wanted.take_if(|loss| contains(said, &loss.after))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
