//! Runs the program in an environment of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crossfade_testkit::Result;
use serde_json::Value;

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        Ok(serde_json::from_str(&self.stdout)?)
    }

    /// Standard error as the JSON of an error.
    pub(crate) fn error(&self) -> Result<Value> {
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        Ok(serde_json::from_str(&self.stderr)?)
    }

    /// Everything, for a snapshot.
    pub(crate) fn shown(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        format!(
            "exit {code}\n--- stdout\n{}--- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}

/// The program, with what stands around it.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    input: Vec<u8>,
}

impl Program {
    /// With these arguments, separated by blanks, and without environment or settings file.
    pub(crate) fn new(line: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossfade"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .current_dir(std::env::temp_dir());
        Self {
            command,
            input: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn url(self, url: &str) -> Self {
        self.env("DATABASE_URL", url)
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    pub(crate) fn input(mut self, input: &[u8]) -> Self {
        self.input = input.to_vec();
        self
    }

    pub(crate) fn run(mut self) -> Result<Run> {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("standard input is piped")?;
        // Whoever does not read it has closed it.
        drop(stdin.write_all(&self.input));
        drop(stdin);
        let output = child.wait_with_output()?;
        Ok(Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Starts it, and returns at once.
    pub(crate) fn start(mut self) -> Result<Started> {
        let child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Started { child: Some(child) })
    }

    /// Sends SIGINT once a line was printed, and returns how it ended and all lines.
    pub(crate) fn interrupt_after_first_line(mut self) -> Result<(Option<i32>, Vec<String>)> {
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("standard output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next().ok_or("a line")??;
        let id = i32::try_from(child.id())?;
        let process = rustix::process::Pid::from_raw(id).ok_or("a process")?;
        rustix::process::kill_process(process, rustix::process::Signal::INT)?;
        let mut all = vec![first];
        for line in lines {
            all.push(line?);
        }
        Ok((child.wait()?.code(), all))
    }
}

/// A program that runs. Killed when it is dropped: a test that fails leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Started {
    child: Option<Child>,
}

impl Started {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let child = self.child.as_ref().ok_or("it has ended")?;
        let id = i32::try_from(child.id())?;
        let process = rustix::process::Pid::from_raw(id).ok_or("a process")?;
        Ok(rustix::process::kill_process(process, signal)?)
    }

    /// Waits for its end. It must not print more than a pipe holds before that.
    pub(crate) fn wait(mut self) -> Result<Run> {
        let child = self.child.take().ok_or("it has ended")?;
        let output = child.wait_with_output()?;
        Ok(Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
