//! One server process on a data directory: start, wait until it is ready, stop.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::binaries::Binaries;
use super::directory::Directory;
use super::error::ClusterError;
use super::port;

const POLL: Duration = Duration::from_millis(10);
const START_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_TIMEOUT: Duration = Duration::from_mins(1);

/// How long `Drop` waits before it kills: the server itself kills a backend that
/// ignores an immediate stop for 5 seconds.
const DROP_TIMEOUT: Duration = Duration::from_secs(10);

/// How often another port is tried when somebody took ours first.
const PORT_TRIES: usize = 5;

/// How much of the log an error shows.
const LOG_LINES: usize = 20;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Ends the connections, rolls back, writes a checkpoint, exits.
    Fast,
    /// Exits at once, as in a crash: the next start recovers from the WAL.
    Immediate,
}

impl StopMode {
    fn signal(self) -> Signal {
        match self {
            Self::Fast => Signal::INT,
            Self::Immediate => Signal::QUIT,
        }
    }
}

/// A server, running or stopped.
#[derive(Debug)]
pub(super) struct Server {
    process: Option<Child>,
    port: u16,
    data: PathBuf,
    log: PathBuf,
    // Keeps the files until the process is gone.
    directory: Arc<Directory>,
}

impl Server {
    pub(super) async fn start(
        binaries: &Binaries,
        directory: &Arc<Directory>,
        data: &Path,
    ) -> Result<Self, ClusterError> {
        let mut server = Self {
            process: None,
            port: port::free()?,
            data: data.to_owned(),
            log: data.with_extension("log"),
            directory: Arc::clone(directory),
        };
        let mut tries = 1;
        loop {
            match server.start_again(binaries).await {
                Err(ClusterError::Start { log, .. })
                    if tries < PORT_TRIES && log.contains("could not bind") =>
                {
                    tries += 1;
                    server.port = port::free()?;
                }
                result => return result.map(|()| server),
            }
        }
    }

    /// Starts it on the port that it has. It must not be running.
    pub(super) async fn start_again(&mut self, binaries: &Binaries) -> Result<(), ClusterError> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(ClusterError::io("open", &self.log))?;
        let log_start = log
            .metadata()
            .map_err(ClusterError::io("read", &self.log))?
            .len();
        let program = binaries.postgres();
        let sockets = self.directory.path().display();
        let process = self
            .directory
            .command(&program)
            .arg("-D")
            .arg(&self.data)
            .args(["-c", &format!("port={}", self.port)])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", &format!("unix_socket_directories={sockets}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(ClusterError::io("run", program))?;
        self.process = Some(process);
        self.wait_until_ready(log_start).await
    }

    async fn wait_until_ready(&mut self, log_start: u64) -> Result<(), ClusterError> {
        let begun = Instant::now();
        while !self.is_ready() {
            if let Some(status) = self.exit_status()? {
                return Err(ClusterError::Start {
                    status,
                    log: self.log_since(log_start),
                });
            }
            if begun.elapsed() > START_TIMEOUT {
                return Err(ClusterError::StartTimeout {
                    after: START_TIMEOUT,
                    log: self.log_since(log_start),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// As `pg_ctl` does it: line 1 of the lock file is the process id, so that a file
    /// left by a crash does not count, and line 8 is `ready` on a primary or a standby
    /// that answers queries.
    fn is_ready(&self) -> bool {
        let Ok(text) = fs::read_to_string(self.data.join("postmaster.pid")) else {
            return false;
        };
        let mut lines = text.lines().map(str::trim);
        let pid = lines.next().and_then(|line| line.parse().ok());
        pid == self.process_id() && lines.nth(6) == Some("ready")
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub(super) async fn stop(&mut self, mode: StopMode) -> Result<(), ClusterError> {
        self.signal(mode.signal())?;
        let begun = Instant::now();
        while self.exit_status()?.is_none() && self.process.is_some() {
            if begun.elapsed() > STOP_TIMEOUT {
                return Err(ClusterError::StopTimeout {
                    after: STOP_TIMEOUT,
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Lets the process go on without us.
    pub(super) fn keep(&mut self) {
        self.process = None;
    }

    /// Takes the process away when it has ended.
    fn exit_status(&mut self) -> Result<Option<ExitStatus>, ClusterError> {
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        let status = process
            .try_wait()
            .map_err(ClusterError::io("wait for", &self.data))?;
        if status.is_some() {
            self.process = None;
        }
        Ok(status)
    }

    /// The process id is still ours: it is not given to others before we waited for it.
    fn signal(&self, signal: Signal) -> Result<(), ClusterError> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        match kill_process(Pid::from_child(process), signal) {
            // It has ended by itself and waits for us to see that.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(ClusterError::io("stop", &self.data)(error.into())),
        }
    }

    fn log_since(&self, start: u64) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_else(|error| format!("unreadable: {error}"));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.signal(Signal::QUIT) {
            tracing::warn!(%error, "could not stop the server");
        }
        let Some(process) = &mut self.process else {
            return;
        };
        let begun = Instant::now();
        while matches!(process.try_wait(), Ok(None)) {
            if begun.elapsed() > DROP_TIMEOUT {
                let killed = process.kill().and_then(|()| process.wait());
                if let Err(error) = killed {
                    tracing::warn!(%error, "could not kill the server");
                }
                return;
            }
            thread::sleep(POLL);
        }
    }
}
