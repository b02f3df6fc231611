//! A TCP proxy in front of the server, for what networks do at the worst moment.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::AbortHandle;

use crate::{Result, Role, TestDatabase};

/// What is to happen to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never reaches the server: the connection is cut before it.
    Lost,
    /// The server does it, and the connection is cut in place of the answer.
    AnswerLost,
}

/// A proxy on 127.0.0.1. It and its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
    accepting: AbortHandle,
}

#[derive(Debug, Default)]
struct Faults {
    next: Mutex<Option<(String, Fault)>>,
    happened: AtomicU32,
}

impl Proxy {
    /// Starts a proxy to the server of a database.
    pub async fn start(database: &TestDatabase) -> Result<Self> {
        let (host, port) = database.server().address();
        let upstream = (host.to_owned(), port);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let faults = Arc::<Faults>::default();
        let shared = Arc::clone(&faults);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, faults) = (upstream.clone(), Arc::clone(&shared));
                // One that breaks is what this is for: either side notices by itself.
                connections.spawn(async move { relay(client, &upstream, &faults).await.is_ok() });
            }
        });
        Ok(Self {
            port,
            faults,
            accepting: accepting.abort_handle(),
        })
    }

    /// The URL of the database through the proxy.
    pub fn url(&self, database: &TestDatabase, role: Role) -> String {
        let server = database.server().at("127.0.0.1", self.port);
        server.url(database.name(), database.user(role))
    }

    /// Lets a fault happen to the next statement whose text contains `text`, be it simple or one
    /// that is parsed first.
    pub fn next(&self, text: &str, fault: Fault) {
        *self.faults.lock() = Some((text.to_owned(), fault));
    }

    /// How many faults have happened.
    pub fn happened(&self) -> u32 {
        self.faults.happened.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Faults {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(String, Fault)>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the fault that is meant for a message, if there is one.
    fn take(&self, message: &[u8]) -> Option<Fault> {
        let mut next = self.lock();
        let text = next.as_ref().map(|(text, _)| text.as_bytes())?;
        let hit = matches!(message.first(), Some(b'Q' | b'P'))
            && message.windows(text.len()).any(|window| window == text);
        if !hit {
            return None;
        }
        self.happened.fetch_add(1, Ordering::SeqCst);
        next.take().map(|(_, fault)| fault)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect((host, port): &(String, u16)) -> std::io::Result<Box<dyn Stream>> {
    Ok(if host.starts_with('/') {
        let socket = Path::new(host).join(format!(".s.PGSQL.{port}"));
        Box::new(UnixStream::connect(socket).await?)
    } else {
        let server = TcpStream::connect((host.as_str(), *port)).await?;
        // Messages are passed on one by one: each would wait for the answer to the one before it.
        server.set_nodelay(true)?;
        Box::new(server)
    })
}

/// Passes bytes both ways until one side ends or a fault happens.
async fn relay(
    mut client: TcpStream,
    upstream: &(String, u16),
    faults: &Faults,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = connect(upstream).await?;
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let mut greeting = true;
    loop {
        tokio::select! {
            read = client.read_buf(&mut asked) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(message) = next_message(&mut asked, &mut greeting) {
                    match faults.take(&message) {
                        None => server.write_all(&message).await?,
                        Some(Fault::Lost) => return Ok(()),
                        Some(Fault::AnswerLost) => {
                            let done = asked_for_an_answer(&message);
                            server.write_all(&message).await?;
                            if !done {
                                pass_to_sync(&mut client, &mut asked, &mut server).await?;
                            }
                            return swallow_answer(&mut server).await;
                        }
                    }
                }
            }
            read = server.read_buf(&mut answered) => {
                if read? == 0 {
                    return Ok(());
                }
                client.write_all(&answered).await?;
                answered.clear();
            }
        }
    }
}

/// Whether the server answers at once: a simple statement, or the end of one in parts.
fn asked_for_an_answer(message: &[u8]) -> bool {
    matches!(message.first(), Some(b'Q' | b'S'))
}

/// Passes on the parts of a statement that come after its text.
async fn pass_to_sync(
    client: &mut TcpStream,
    asked: &mut Vec<u8>,
    server: &mut Box<dyn Stream>,
) -> std::io::Result<()> {
    loop {
        while let Some(message) = next_message(asked, &mut false) {
            server.write_all(&message).await?;
            if asked_for_an_answer(&message) {
                return Ok(());
            }
        }
        if client.read_buf(asked).await? == 0 {
            return Ok(());
        }
    }
}

/// Reads until the server has done what it was told and is ready for more.
async fn swallow_answer(server: &mut Box<dyn Stream>) -> std::io::Result<()> {
    let mut answer = Vec::new();
    while server.read_buf(&mut answer).await? > 0 {
        while let Some(message) = next_message(&mut answer, &mut false) {
            if message.first() == Some(&b'Z') {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Takes the first message out of what was read, if all of it is there.
///
/// The messages of the greeting have no type; the start-up message, of protocol version 3, ends it.
fn next_message(read: &mut Vec<u8>, greeting: &mut bool) -> Option<Vec<u8>> {
    let start = usize::from(!*greeting);
    let number = |at: usize| -> Option<u32> {
        let bytes = read.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let length = start + usize::try_from(number(start)?).ok()?;
    if read.len() < length {
        return None;
    }
    if *greeting && number(4)? >> 16 == 3 {
        *greeting = false;
    }
    Some(read.drain(..length).collect())
}
