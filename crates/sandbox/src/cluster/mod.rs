//! A private throwaway PostgreSQL cluster: initialise, run, stop, restart, remove.

mod account;
mod binaries;
mod directory;
mod error;
mod options;
mod port;
mod replica;
mod server;

use std::path::Path;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::distr::{Alphanumeric, SampleString};

use binaries::Binaries;
pub use directory::Directory;
pub use error::ClusterError;
pub use options::ClusterOptions;
pub use port::free as free_port;
use server::Server;
pub use server::StopMode;

/// The superuser of every cluster.
pub const SUPERUSER: &str = "postgres";

/// A running PostgreSQL server with its own data directory, port and password.
///
/// It listens on 127.0.0.1 and on a socket in its directory, and accepts only
/// passwords. Dropping it stops the server and removes its files; if this process
/// is killed before it can do that, a guard process does it.
#[derive(Debug)]
pub struct Cluster {
    // Declared before the directory, so that it is dropped first: the server must
    // be down before its files are removed.
    server: Server,
    directory: Arc<Directory>,
    binaries: Binaries,
    password: String,
}

impl Cluster {
    /// Creates a cluster and returns when it accepts connections.
    pub async fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let binaries = Binaries::find()?;
        let directory = Arc::new(Directory::create()?);
        let password = Alphanumeric.sample_string(&mut rand::rng(), 32);

        let data = directory.path().join("data");
        binaries.initdb(&directory, &data, &password).await?;
        options.write(&data)?;
        let server = Server::start(&binaries, &directory, &data).await?;
        Ok(Self {
            server,
            directory,
            binaries,
            password,
        })
    }

    /// Creates a streaming replica of this server and returns when it answers
    /// queries. `name` is its `application_name` in `pg_stat_replication` and must
    /// be unique among the replicas of this cluster.
    pub async fn replica(&self, name: &str) -> Result<Self, ClusterError> {
        let data = self.directory.path().join(name);
        replica::copy(self, name, &data).await?;
        let server = Server::start(&self.binaries, &self.directory, &data).await?;
        Ok(Self {
            server,
            directory: Arc::clone(&self.directory),
            binaries: self.binaries.clone(),
            password: self.password.clone(),
        })
    }

    /// A connection URL. Every role is expected to have [`Self::password`].
    pub fn url(&self, database: &str, user: &str) -> String {
        format!(
            "postgresql://{user}:{password}@127.0.0.1:{port}/{database}",
            user = utf8_percent_encode(user, NON_ALPHANUMERIC),
            password = self.password,
            port = self.port(),
            database = utf8_percent_encode(database, NON_ALPHANUMERIC),
        )
    }

    /// The superuser's password: ASCII letters and digits.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The port on 127.0.0.1. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Where the server keeps its data.
    pub fn data_directory(&self) -> &Path {
        self.server.data()
    }

    /// The directory of the server's Unix socket.
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    /// Process id of the postmaster, `None` while it is stopped.
    pub fn process_id(&self) -> Option<u32> {
        self.server.process_id()
    }

    /// Stops the server and returns when it has exited. Does nothing when it is
    /// already down.
    pub async fn stop(&mut self, mode: StopMode) -> Result<(), ClusterError> {
        self.server.stop(mode).await
    }

    /// Stops the server if it runs, starts it again on the same port, and returns
    /// when it accepts connections.
    pub async fn restart(&mut self, mode: StopMode) -> Result<(), ClusterError> {
        self.server.stop(mode).await?;
        self.server.start_again(&self.binaries).await
    }

    /// Leaves the server running and its files in place, also beyond the end of this process.
    /// From now on nobody but the user stops it and removes them.
    pub fn keep(mut self) {
        self.server.keep();
        self.directory.keep();
    }
}
