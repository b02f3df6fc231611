//! The account that the server runs as: our own, or an unprivileged one when we are root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::error::ClusterError;

/// PostgreSQL refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    /// We are not root: run the server as ourselves.
    Own,
    /// We are root: run the server as somebody else.
    Unprivileged {
        /// User id.
        uid: u32,
        /// Primary group id.
        gid: u32,
    },
}

impl Account {
    pub(super) fn choose() -> Result<Self, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|user| {
                let uid = id("-u", user)?;
                let gid = id("-g", user)?;
                (uid != 0).then_some(Self::Unprivileged { uid, gid })
            })
            .ok_or(ClusterError::NoAccount)
    }

    pub(super) fn own(self, path: &Path) -> Result<(), ClusterError> {
        match self {
            Self::Own => Ok(()),
            Self::Unprivileged { uid, gid } => {
                chown(path, Some(uid), Some(gid)).map_err(ClusterError::io("change owner of", path))
            }
        }
    }

    /// A command that runs as this account, in `directory`, untouched by the
    /// PostgreSQL settings of our environment, and in a process group of its own:
    /// Ctrl-C at the terminal is for us alone, we stop the server in our own order.
    pub(super) fn command(self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(directory)
            .env("LC_ALL", "C")
            .process_group(0);
        if let Self::Unprivileged { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn id(which: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([which, user]).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().parse().ok())?
}
