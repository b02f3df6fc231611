//! Runs the program in an environment of its own.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crossfade_testkit::Result;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
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
        // `scripts/mutate` breaks a rule of the program, too.
        if let Ok(rule) = std::env::var("CROSSFADE_BREAK_RULE") {
            command.env("CROSSFADE_BREAK_RULE", rule);
        }
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

    /// Runs it on a terminal of so many columns, on which `input` is typed. What it prints to
    /// either stream comes back as standard output, as the terminal got it.
    pub(crate) fn on_terminal(self, columns: u16, input: &str) -> Result<Run> {
        let (mut master, slave) = terminal(columns)?;
        // Made the controlling terminal: of the one that a developer sits at, the size would be
        // asked otherwise.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .env_clear()
            .stdin(slave.try_clone()?)
            .stdout(slave.try_clone()?)
            .stderr(slave);
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        if let Some(directory) = self.command.get_current_dir() {
            command.current_dir(directory);
        }
        master.write_all(input.as_bytes())?;
        let mut child = command.spawn()?;
        // Ours of its ends of the terminal are closed: reading ends when the program does.
        drop(command);
        let mut screen = Vec::new();
        let mut buffer = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(read @ 1..) = master.read(&mut buffer) {
            screen.extend_from_slice(&buffer[..read]);
        }
        Ok(Run {
            code: child.wait()?.code(),
            stdout: String::from_utf8(screen)?,
            stderr: String::new(),
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

/// A terminal of so many columns: the end that people sit at, and the program's.
fn terminal(columns: u16) -> Result<(File, File)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let slave = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(OsStr::from_bytes(name.as_bytes()))?;
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size)?;
    Ok((File::from(master), slave))
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
