//! A password made by a command for each new connection, as cloud providers' short-lived tokens need it.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Tokens are a few kilobytes; a command that prints without end must not fill the memory.
const MAX_OUTPUT: u64 = 64 * 1024;

/// A shell command whose first line of output is the password.
#[derive(Clone)]
pub struct PasswordCommand {
    command: SecretString,
    timeout: Duration,
}

impl PasswordCommand {
    /// How long a command may take where nothing else is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// A command for `sh -c` that must end within `timeout`.
    pub fn new(command: SecretString, timeout: Duration) -> Self {
        Self { command, timeout }
    }

    /// Runs the command and takes its first line. What it writes to stderr is dropped: it may hold a secret.
    pub(crate) async fn run(&self) -> Result<SecretString, PasswordCommandError> {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(self.command.expose_secret())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // In its own group, Ctrl-C does not kill it while a shutdown still has to connect and save its work.
            .process_group(0)
            .spawn()
            .map_err(PasswordCommandError::Start)?;
        let mut group = ProcessGroup::of(&child);
        let stdout = child.stdout.take();

        let finished = tokio::time::timeout(self.timeout, async {
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(MAX_OUTPUT).read_to_end(&mut output).await?;
            }
            Ok::<_, io::Error>((child.wait().await?, output))
        })
        .await;
        let Ok(finished) = finished else {
            return Err(PasswordCommandError::TimedOut(self.timeout));
        };
        let (status, output) = finished.map_err(PasswordCommandError::Read)?;
        group.ended();
        if !status.success() {
            return Err(PasswordCommandError::Failed(status));
        }
        let output = String::from_utf8(output).map_err(|_| PasswordCommandError::NotText)?;
        match output.lines().next() {
            Some(password) if !password.is_empty() => Ok(password.into()),
            _ => Err(PasswordCommandError::Empty),
        }
    }
}

impl fmt::Debug for PasswordCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCommand")
            .field("command", &self.command)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// The shell and what it started; killed together when the command is given up, or its caller is.
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    fn of(child: &tokio::process::Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// The shell has been waited for: its number may belong to another process now.
    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(%error, "password command was gone before it was killed");
        }
    }
}

/// Why a password command gave no password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PasswordCommandError {
    /// The shell cannot be started.
    #[error("the password command cannot be started")]
    Start(#[source] io::Error),
    /// Its output cannot be read.
    #[error("the output of the password command cannot be read")]
    Read(#[source] io::Error),
    /// It did not end in time.
    #[error("the password command did not end within {0:?}")]
    TimedOut(Duration),
    /// It ended with a failure.
    #[error("the password command failed: {0}")]
    Failed(ExitStatus),
    /// Its output is not text.
    #[error("the password command printed something other than UTF-8 text")]
    NotText,
    /// Its first line is empty.
    #[error("the password command printed no password on its first line")]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(command: &str) -> Result<String, PasswordCommandError> {
        let command = PasswordCommand::new(command.into(), PasswordCommand::DEFAULT_TIMEOUT);
        let password = command.run().await?;
        Ok(password.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn the_first_line_is_the_password() -> Result<(), PasswordCommandError> {
        assert_eq!(run("printf 'to ken\\nmore\\n'").await?, "to ken");
        assert_eq!(run("printf 'token\\r\\n'").await?, "token");
        assert_eq!(run("printf token; echo noise >&2").await?, "token");
        Ok(())
    }

    #[tokio::test]
    async fn a_failure_is_told_without_the_command_or_its_output() {
        let error = run("echo hunter2; exit 3").await.expect_err("it exits 3");
        assert_eq!(
            error.to_string(),
            "the password command failed: exit status: 3"
        );
        assert!(matches!(
            run("true").await,
            Err(PasswordCommandError::Empty)
        ));
        assert!(matches!(
            run("printf '\\377'").await,
            Err(PasswordCommandError::NotText)
        ));
        let command = PasswordCommand::new("echo hunter2".into(), Duration::from_secs(1));
        assert!(!format!("{command:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_its_children() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let pipe = directory.path().join("alive");
        // The child holds the write end of the pipe; reading to the end returns only once it is dead.
        let command = format!(
            "mkfifo '{0}'; sleep 600 > '{0}' & wait",
            pipe.to_str().expect("a temporary path is UTF-8")
        );
        let command = PasswordCommand::new(command.into(), Duration::from_millis(300));
        let running = tokio::spawn(async move { command.run().await });
        let mut end = loop {
            match tokio::fs::File::open(&pipe).await {
                Ok(end) => break end,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error),
            }
        };
        let result = running.await?;
        assert!(matches!(result, Err(PasswordCommandError::TimedOut(_))));
        end.read_to_end(&mut Vec::new()).await?;
        Ok(())
    }
}
