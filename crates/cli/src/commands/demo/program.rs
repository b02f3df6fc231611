//! Runs this very program, as a user of the demo's database would.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use crossfade_plan::event::Event;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::error::{Code, Failure};

/// The program and where it runs.
#[derive(Debug)]
pub(super) struct Program {
    executable: PathBuf,
    directory: PathBuf,
    url: String,
}

impl Program {
    /// Runs in `directory`, on the database of `url`.
    pub(super) fn new(directory: &Path, url: String) -> Result<Self, Failure> {
        let executable =
            std::env::current_exe().map_err(|error| Failure::of(Code::Internal, &error))?;
        Ok(Self {
            executable,
            directory: directory.to_owned(),
            url,
        })
    }

    /// Starts a command; `line` is what follows the program's name.
    pub(super) fn start(&self, line: &str) -> Result<Run, Failure> {
        let mut command = Command::new(&self.executable);
        command
            .args(line.split_whitespace())
            .args(["--format", "json"])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // What the user has set is for other databases.
        for (name, _) in std::env::vars_os() {
            if is_setting(&name) {
                command.env_remove(name);
            }
        }
        command.env("DATABASE_URL", &self.url);
        let broken = |error| Failure::of(Code::DemoBroken, &error);
        let mut child = command.spawn().map_err(broken)?;
        let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            unreachable!("both are piped");
        };
        // Read all the time: a full pipe would stop the program.
        let errors = tokio::spawn(async move {
            let mut text = Vec::new();
            // What came before an error is all there is to say.
            drop(stderr.read_to_end(&mut text).await);
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Run {
            line: line.to_owned(),
            child,
            stdout: BufReader::new(stdout).lines(),
            errors,
            last: Value::Null,
        })
    }

    /// Runs a command to its end; returns what it printed, or the last line of it.
    pub(super) async fn run(&self, line: &str) -> Result<Value, Failure> {
        let mut run = self.start(line)?;
        while run.event().await?.is_some() {}
        run.finish().await
    }
}

fn is_setting(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"PG") || name.starts_with(b"CROSSFADE_") || name == b"DATABASE_URL"
}

/// A command at work. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Run {
    line: String,
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    errors: JoinHandle<String>,
    last: Value,
}

impl Run {
    /// Its process id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it tells next; `None` when it has said all.
    pub(super) async fn event(&mut self) -> Result<Option<Event>, Failure> {
        let broken = |error| Failure::of(Code::DemoBroken, &error);
        // An object over several lines is a result as well.
        let mut text = String::new();
        while let Some(line) = self.stdout.next_line().await.map_err(broken)? {
            text.push_str(&line);
            let Ok(value) = serde_json::from_str::<Value>(&text) else {
                continue;
            };
            self.last = value.clone();
            if let Ok(event) = serde_json::from_value(value) {
                return Ok(Some(event));
            }
            text.clear();
        }
        Ok(None)
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(super) async fn kill(mut self) -> Result<ExitStatus, Failure> {
        let broken = |error| Failure::of(Code::DemoBroken, &error);
        self.child.start_kill().map_err(broken)?;
        self.child.wait().await.map_err(broken)
    }

    /// Waits for its end, which must be a good one; returns its result.
    pub(super) async fn finish(mut self) -> Result<Value, Failure> {
        let status = self.child.wait().await;
        let status = status.map_err(|error| Failure::of(Code::DemoBroken, &error))?;
        if status.success() {
            return Ok(self.last);
        }
        let errors = self.errors.await.unwrap_or_default();
        Err(failed(&self.line, status, &errors))
    }
}

/// A command that should have succeeded did not; `errors` is what it wrote to standard error.
fn failed(line: &str, status: ExitStatus, errors: &str) -> Failure {
    let said = errors.lines().rev().find_map(|line| {
        let error: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| Some(error.get(key)?.as_str()?.to_owned());
        Some(format!("{}: {}", text("code")?, text("message")?))
    });
    let said = said.unwrap_or_else(|| errors.trim().to_owned());
    let code = match status.code() {
        Some(6) => Code::DemoLoss,
        _ => Code::DemoBroken,
    };
    Failure::new(
        code,
        format!("`crossfade {line}` ended with {status}: {said}"),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::error::{Look, as_text};
    use crate::exit::Exit;

    #[test]
    fn a_command_that_failed_is_named_with_what_it_said() {
        let errors = "a warning\n{\"code\":\"E0999\",\"message\":\"no lock\"}\n";
        let failure = failed("cutover leads_v2", ExitStatus::from_raw(8 << 8), errors);
        assert_eq!(failure.exit(), Exit::Internal);
        let look = Look {
            terminal: false,
            color: false,
            width: 200,
        };
        let text = as_text(&failure, look);
        assert!(text.contains("crossfade cutover leads_v2"), "{text}");
        assert!(text.contains("E0999: no lock"), "{text}");
        let lost = failed("verify leads_v2", ExitStatus::from_raw(6 << 8), "");
        assert_eq!(lost.exit(), Exit::Data);
    }
}
