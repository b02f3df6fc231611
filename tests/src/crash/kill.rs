//! Deaths at failpoints, one after the other.

use std::collections::VecDeque;
use std::fmt;

use crossfade_testkit::Result;

use super::program::Program;

/// A death: by SIGKILL at the failpoint, after it was passed so many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    point: String,
    passes: u32,
}

impl Kill {
    /// At the first time that it is reached.
    pub fn at(point: impl Into<String>) -> Self {
        Self::later(point, 0)
    }

    /// After so many passes.
    pub fn later(point: impl Into<String>, passes: u32) -> Self {
        let point = point.into();
        Self { point, passes }
    }

    fn setting(&self) -> String {
        let Self { point, passes } = self;
        match passes {
            0 => format!("{point}=return(kill)"),
            passes => format!("{point}={passes}*off->return(kill)"),
        }
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} passes", self.point, self.passes)
    }
}

/// Kills in the order in which a migration meets them.
#[derive(Debug)]
pub struct Kills {
    left: VecDeque<Kill>,
    died: usize,
}

/// These points, in this order.
pub fn in_order<P: Into<String>>(points: impl IntoIterator<Item = P>) -> Vec<Kill> {
    points.into_iter().map(Kill::at).collect()
}

/// A point after each of these numbers of passes.
pub fn counts(point: &str, passes: &[u32]) -> Vec<Kill> {
    passes
        .iter()
        .map(|passes| Kill::later(point, *passes))
        .collect()
}

impl Kills {
    /// All of them are to happen.
    pub fn new(kills: impl IntoIterator<Item = Kill>) -> Self {
        let left = kills.into_iter().collect();
        Self { left, died: 0 }
    }

    /// Runs a command again and again, each time with the next kill that has not happened, until
    /// it succeeds. Those that it does not meet are left for the next command.
    pub async fn run(&mut self, program: &Program, line: &str) -> Result<()> {
        loop {
            let setting = self.left.front().map(Kill::setting).unwrap_or_default();
            let run = program.run(line, &setting).await?;
            if !run.killed {
                return run.expect_success(&format!("{line}` with `{setting}"));
            }
            self.left.pop_front();
            self.died += 1;
        }
    }

    /// How many have happened.
    pub fn died(&self) -> usize {
        self.died
    }

    /// Fails if one has not happened: its failpoint was not reached.
    pub fn expect_all_happened(&self) -> Result<()> {
        match self.left.front() {
            None => Ok(()),
            Some(kill) => Err(format!("never died at {kill}").into()),
        }
    }
}
