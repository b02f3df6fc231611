//! Who does something: a process, or a person at one.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// One run of a program: what a lease belongs to. Stored as `host/pid/uuid`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Process {
    host: String,
    pid: u32,
    instance: Uuid,
}

/// A text that names no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected host/pid/uuid")]
pub struct ProcessError;

impl Process {
    /// A new identity for this process. Make one for each run: by it a runner knows a lease as its
    /// own after it lost the answer, and no other process, whatever its pid, can have the same.
    pub fn current() -> Self {
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            host,
            pid: std::process::id(),
            instance: Uuid::now_v7(),
        }
    }

    /// The host's name, as it calls itself.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The process id on that host.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.host, self.pid, self.instance)
    }
}

impl FromStr for Process {
    type Err = ProcessError;

    fn from_str(text: &str) -> Result<Self, ProcessError> {
        let mut parts = text.rsplitn(3, '/');
        let (Some(instance), Some(pid), Some(host)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(ProcessError);
        };
        Ok(Self {
            host: host.to_owned(),
            pid: pid.parse().map_err(|_| ProcessError)?,
            instance: instance.parse().map_err(|_| ProcessError)?,
        })
    }
}

/// Whom the records name. The server puts the role that logged in before it, which nobody can
/// make up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// A person or a program, as in `alice@db-admin-1`.
    pub fn new(label: impl Into<String>) -> Self {
        Self(label.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Process> for Actor {
    fn from(process: &Process) -> Self {
        Self(process.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_back_and_no_two_are_the_same() {
        let one = Process::current();
        assert_eq!(one.to_string().parse(), Ok(one.clone()));
        assert_ne!(one, Process::current());
        let slashed = format!("a/b/7/{}", Uuid::now_v7());
        assert_eq!(slashed.parse::<Process>().expect("read").host(), "a/b");
        for text in ["", "host", "host/1", "host/x/7", "host/1/not-a-uuid"] {
            assert_eq!(text.parse::<Process>(), Err(ProcessError), "{text}");
        }
    }
}
