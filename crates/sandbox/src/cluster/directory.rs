//! The directory that holds everything of a cluster, or of another server that is thrown away, and
//! the guard that removes it when this process cannot.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::account::Account;
use super::error::ClusterError;

const GUARD: &str = include_str!("guard.sh");

/// The longest path of a Unix socket that every system takes (104 bytes with the
/// final zero on macOS and the BSDs, 108 on Linux).
const SOCKET_PATH_BYTES: usize = 103;

/// What follows the path of a temporary directory in that of its socket.
const SOCKET_SUFFIX: &str = "/crossfade-XXXXXX/.s.PGSQL.65535";

/// A private directory, owned by the account that runs the servers in it: our own, or an
/// unprivileged one when we are root.
///
/// It is removed when it is dropped; the servers must be down by then. If this process is killed
/// before that, a guard ends every process whose id is in `*.pid` or `*/postmaster.pid` and whose
/// command line names the directory, and removes it.
#[derive(Debug)]
pub struct Directory {
    files: Option<TempDir>,
    path: PathBuf,
    account: Account,
    guard: Child,
    is_kept: AtomicBool,
}

impl Directory {
    /// Makes one, with its guard, where the account can get to.
    pub fn create() -> Result<Self, ClusterError> {
        let account = Account::choose()?;
        let parents = [std::env::temp_dir(), PathBuf::from("/tmp")];
        let parent = parents
            .iter()
            .find(|parent| is_usable(parent, account))
            .ok_or_else(|| ClusterError::NoDirectory {
                tried: parents.to_vec(),
            })?;
        let files = tempfile::Builder::new()
            .prefix("crossfade-")
            .tempdir_in(parent)
            .map_err(ClusterError::io("create a directory in", parent))?;
        let path = files.path().to_owned();
        account.own(&path)?;

        // Before the server: there is no moment in which nobody would clean up. Its
        // directory is the root so that it does not keep ours from being removed.
        let guard = account
            .command(Path::new("/bin/sh"), Path::new("/"))
            .args(["-c", GUARD, "crossfade-guard"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ClusterError::io("run", "/bin/sh"))?;
        Ok(Self {
            files: Some(files),
            path,
            account,
            guard,
            is_kept: AtomicBool::new(false),
        })
    }

    /// Where it is; short enough for a socket in it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Nothing is removed any more, neither by us nor by the guard.
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// A command that runs here, as the account that owns the directory.
    pub fn command(&self, program: &Path) -> Command {
        self.account.command(program, &self.path)
    }

    /// Writes a file that only the account can read.
    pub fn write_private(&self, path: &Path, text: &str) -> Result<(), ClusterError> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(ClusterError::io("write", path))?;
        self.account.own(path)
    }
}

impl Directory {
    /// Leaves the files, and ends the guard before it can notice that we are gone.
    fn disarm(&mut self) {
        if let Some(files) = self.files.take() {
            let _path = files.keep();
        }
        if let Err(error) = self.guard.kill().and_then(|()| self.guard.wait()) {
            tracing::warn!(%error, "could not end the guard of the cluster");
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_kept.load(Ordering::Relaxed) {
            self.disarm();
            return;
        }
        if let Some(files) = self.files.take() {
            // A backend that outlived its postmaster may still create a file in a
            // directory that is being removed; it notices soon and exits.
            let path = files.keep();
            let mut tries = 0;
            while let Err(error) = fs::remove_dir_all(&path) {
                tries += 1;
                if tries == 100 {
                    tracing::warn!(%error, path = %path.display(), "could not remove the cluster");
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        // Closes the guard's input: it ends, and tries once more what we could not do.
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            tracing::warn!(%error, "could not wait for the guard of the cluster");
        }
    }
}

/// Whether a socket path below `parent` is short enough, and the account can get there.
fn is_usable(parent: &Path, account: Account) -> bool {
    let reachable = match account {
        Account::Own => true,
        Account::Unprivileged { .. } => parent.ancestors().all(|directory| {
            fs::metadata(directory).is_ok_and(|file| file.permissions().mode() & 0o001 != 0)
        }),
    };
    parent.is_absolute()
        && reachable
        && parent.as_os_str().len() + SOCKET_SUFFIX.len() <= SOCKET_PATH_BYTES
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    const STRANGER: Account = Account::Unprivileged {
        uid: 65534,
        gid: 65534,
    };

    #[test]
    fn a_long_parent_is_not_usable() -> std::io::Result<()> {
        let root = tempfile::tempdir_in("/tmp")?;
        assert!(is_usable(root.path(), Account::Own));
        let long = root.path().join("x".repeat(80));
        fs::create_dir(&long)?;
        assert!(!is_usable(&long, Account::Own));
        Ok(())
    }

    #[test]
    fn a_closed_parent_is_not_usable_for_another_account() -> std::io::Result<()> {
        let root = tempfile::tempdir_in("/tmp")?;
        let inner = root.path().join("inner");
        fs::create_dir(&inner)?;
        fs::set_permissions(&inner, Permissions::from_mode(0o755))?;
        fs::set_permissions(root.path(), Permissions::from_mode(0o700))?;
        assert!(!is_usable(&inner, STRANGER));
        assert!(is_usable(&inner, Account::Own));
        fs::set_permissions(root.path(), Permissions::from_mode(0o755))?;
        assert!(is_usable(&inner, STRANGER));
        Ok(())
    }
}
