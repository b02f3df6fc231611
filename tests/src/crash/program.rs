//! The program as a process: run to its end, or killed on the way.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crossfade_testkit::Result;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::binary::program_path;

/// How long the lease of a dead runner lives on.
const LEASE_TTL: &str = "2s";

/// The program with its environment.
#[derive(Debug)]
pub struct Program {
    url: String,
    ddl_url: Option<String>,
    directory: TempDir,
    runs: AtomicU32,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Whether that was SIGKILL.
    pub killed: bool,
    /// What it printed, standard output and error together.
    pub output: String,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: PathBuf,
}

impl Program {
    /// The program in a directory of its own, with the plan file `plan.yaml`.
    pub fn new(url: String, plan: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("plan.yaml"), plan)?;
        Ok(Self {
            url,
            ddl_url: None,
            directory,
            runs: AtomicU32::new(0),
        })
    }

    /// Lets it go another way from now on, and past that way where no transaction will do.
    pub fn go_through(&mut self, url: String, ddl_url: Option<String>) {
        self.url = url;
        self.ddl_url = ddl_url;
    }

    /// Starts a command line, its arguments separated by blanks, with failpoints as the variable
    /// `FAILPOINTS` has them.
    pub async fn start(&self, line: &str, failpoints: &str) -> Result<Process> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.path().join(format!("{number}.log"));
        let output = std::fs::File::create(&path)?;
        let ddl_url = self.ddl_url.iter().map(|url| ("CROSSFADE_DDL_URL", url));
        // The rule that a mutated build is to break.
        let rule = std::env::var_os("CROSSFADE_BREAK_RULE");
        let child = Command::new(program_path().await?)
            .args(line.split_whitespace())
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .envs(ddl_url)
            .envs(rule.map(|rule| ("CROSSFADE_BREAK_RULE", rule)))
            .env("CROSSFADE_LEASE_TTL", LEASE_TTL)
            .env("FAILPOINTS", failpoints)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Process {
            child,
            output: path,
        })
    }

    /// Runs a command line to its end.
    pub async fn run(&self, line: &str, failpoints: &str) -> Result<Run> {
        self.start(line, failpoints).await?.wait().await
    }

    /// Runs a command line, which must succeed.
    pub async fn succeed(&self, line: &str) -> Result<()> {
        let run = self.run(line, "").await?;
        run.expect_success(line)
    }
}

impl Process {
    /// Its process id; 0 when it has ended.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits for its end.
    pub async fn wait(mut self) -> Result<Run> {
        let status = self.child.wait().await?;
        Ok(Run {
            code: status.code(),
            killed: is_killed(status),
            output: std::fs::read_to_string(&self.output)?,
        })
    }

    /// Kills it, as `kill -9` does; it may have ended before.
    pub async fn kill(mut self) -> Result<Run> {
        // An error means that it has ended already: its status says how.
        drop(self.child.start_kill());
        self.wait().await
    }
}

impl Run {
    /// Fails unless it ended well.
    pub fn expect_success(&self, line: &str) -> Result<()> {
        if self.code == Some(0) {
            Ok(())
        } else {
            Err(format!("`crossfade {line}` ended otherwise than well: {self:?}").into())
        }
    }
}

fn is_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}
