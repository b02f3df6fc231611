//! What can go wrong with a throwaway cluster.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

/// Why a cluster could not be made, started or stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// No server binaries on this machine.
    #[error(
        "no PostgreSQL server binaries found (looked in {}); install them, on Debian with \
         `apt-get install postgresql`, or name their directory in CROSSFADE_PG_BIN",
        display_list(searched)
    )]
    NoBinaries {
        /// The places that were looked at, in order.
        searched: Vec<PathBuf>,
    },

    /// `CROSSFADE_PG_BIN` names a directory that lacks a program.
    #[error(
        "CROSSFADE_PG_BIN names {}, which has no `{program}`; it must be the bin directory \
         of a PostgreSQL server, such as /usr/lib/postgresql/17/bin",
        directory.display()
    )]
    NotABinDirectory {
        /// The directory that was named.
        directory: PathBuf,
        /// The program that is not there.
        program: &'static str,
    },

    /// A program that the request needs, but not every installation has.
    #[error("{} has no `{program}`, which a streaming replica needs", directory.display())]
    NoProgram {
        /// The bin directory in use.
        directory: PathBuf,
        /// The program that is not there.
        program: &'static str,
    },

    /// This process is root, PostgreSQL refuses to run as root, and there is no
    /// other account to run it as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`"
    )]
    NoAccount,

    /// No place for the directory.
    #[error(
        "no usable temporary directory (tried {}): its path must be short enough for a socket, \
         and open to the account that runs PostgreSQL",
        display_list(tried)
    )]
    NoDirectory {
        /// The directories that were tried.
        tried: Vec<PathBuf>,
    },

    /// A file or a process could not be handled.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or program.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },

    /// `initdb` or `pg_basebackup` failed.
    #[error("`{program}` failed ({status}): {output}")]
    Program {
        /// Its name.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to its error output.
        output: String,
    },

    /// The server exited before it accepted connections.
    #[error("the server did not start ({status}); the end of its log:\n{log}")]
    Start {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// The server is neither ready nor gone in time.
    #[error("the server is not ready after {} s; the end of its log:\n{log}", after.as_secs())]
    StartTimeout {
        /// How long it was waited for.
        after: Duration,
        /// The last lines of its log.
        log: String,
    },

    /// The server ignores the order to stop.
    #[error("the server has not stopped after {} s", after.as_secs())]
    StopTimeout {
        /// How long it was waited for.
        after: Duration,
    },

    /// A replica's name must be usable as a file name and a setting.
    #[error("`{0}` is no name for a replica: use lowercase letters, digits and `_`")]
    ReplicaName(String),

    /// No free port was found.
    #[error("no free port on 127.0.0.1 between {first} and {last}")]
    NoPort {
        /// The lowest port tried.
        first: u16,
        /// The highest port tried.
        last: u16,
    },
}

impl ClusterError {
    /// For `map_err`: what was tried, on what.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

fn display_list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
