//! The database of the demo: a company's sales leads in a private throwaway cluster, with roles
//! of least privilege.

mod migration;

use std::path::Path;

use crossfade_plan::{Ident, NameError};
use postgres_protocol::escape::escape_literal;
use tokio_postgres::{Client, NoTls};

use crate::cluster::{Cluster, ClusterError, ClusterOptions, SUPERUSER};
use crate::oracle::OracleError;
use crate::workload::{AppTable, Shape, ShapeError, WorkloadSpec};

pub use migration::{MIGRATION, PLAN_FILE, Version, plan_file};

/// The role that owns the table; it can't log in.
pub const OWNER: &str = "sales";

/// The role of the application.
pub const APPLICATION: &str = "sales_app";

/// The role that migrates, as `crossfade grants` calls it by default.
pub const MIGRATOR: &str = "crossfade";

const DATABASE: &str = "sales";

/// Connections for everybody but the application.
const OTHER_CONNECTIONS: u16 = 40;

/// The first line makes version 14 like the later ones.
const PREPARE: &str = "\
    revoke create on schema public from public;
    create role sales;
    grant usage, create on schema public to sales;
    grant usage on schema public to sales_app";

/// For the comparison of all rows; nobody else works in this session.
const COMPARE_IN_MEMORY: &str = "set work_mem = '256MB'";

/// Why the database could not be made or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalesError {
    /// There is no server.
    #[error("the throwaway PostgreSQL could not be started")]
    Cluster(#[source] ClusterError),
    /// The server refused what prepares the demo.
    #[error("the demo's database could not be prepared")]
    Prepare(#[source] tokio_postgres::Error),
    /// The system does not tell how much of the disk is free.
    #[error("the free space of the disk could not be found out")]
    Disk(#[source] std::io::Error),
    /// A name of ours is none.
    #[error("a name of the demo is not valid")]
    Name(#[source] NameError),
    /// The application and its table don't fit.
    #[error("the demo's application does not fit its table")]
    Shape(#[source] ShapeError),
}

/// A running server with the database in it. Dropping it removes both.
#[derive(Debug)]
pub struct Sales {
    cluster: Cluster,
    superuser: Client,
    leads: AppTable,
}

impl Sales {
    /// Starts a server that flushes to disk, for so many connections of the application, and
    /// makes the database with its owner and its application.
    pub async fn start(connections: u16) -> Result<Self, SalesError> {
        let options = ClusterOptions::default()
            .durable()
            .max_connections(connections.saturating_add(OTHER_CONNECTIONS));
        let cluster = Cluster::start(&options).await;
        let cluster = cluster.map_err(SalesError::Cluster)?;
        let maintenance = connect(&cluster.url(SUPERUSER, SUPERUSER)).await?;
        let password = escape_literal(cluster.password());
        for statement in [
            format!("create role {APPLICATION} login password {password}"),
            format!("create database {DATABASE} template template0"),
        ] {
            run(&maintenance, &statement).await?;
        }
        let superuser = connect(&cluster.url(DATABASE, SUPERUSER)).await?;
        run(&superuser, PREPARE).await?;
        run(&superuser, COMPARE_IN_MEMORY).await?;
        Ok(Self {
            cluster,
            superuser,
            leads: AppTable::leads().map_err(SalesError::Name)?,
        })
    }

    /// The version of the server, such as `15.18`.
    pub async fn server_version(&self) -> Result<String, SalesError> {
        let sql =
            "select pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1)";
        let row = self.superuser.query_one(sql, &[]).await;
        row.and_then(|row| row.try_get(0))
            .map_err(SalesError::Prepare)
    }

    /// The directory that is removed with the server: a place for files of the demo.
    pub fn directory(&self) -> &Path {
        self.cluster.socket_directory()
    }

    /// Bytes that are free where the server keeps its data.
    pub fn free_disk(&self) -> Result<u64, SalesError> {
        let files = rustix::fs::statvfs(self.cluster.data_directory());
        let files = files.map_err(|error| SalesError::Disk(error.into()))?;
        Ok(files.f_bavail.saturating_mul(files.f_frsize))
    }

    /// A URL for a role.
    pub fn url(&self, role: &str) -> String {
        self.cluster.url(DATABASE, role)
    }

    /// Runs what `crossfade grants` printed, and lets [`MIGRATOR`] log in.
    pub async fn grant(&self, statements: &[String]) -> Result<(), SalesError> {
        for statement in statements {
            run(&self.superuser, statement).await?;
        }
        let password = escape_literal(self.cluster.password());
        run(
            &self.superuser,
            &format!("alter role {MIGRATOR} password {password}"),
        )
        .await
    }

    /// Makes the table and its control table, with the same rows. The control table is the
    /// superuser's: nobody migrates it.
    pub async fn load(&self, rows: u32, seed: u64) -> Result<(), SalesError> {
        let (leads, superuser) = (&self.leads, &self.superuser);
        let app = Ident::new(APPLICATION).map_err(SalesError::Name)?;
        run(superuser, &leads.create_sql()).await?;
        run(superuser, &leads.grant_sql(&app)).await?;
        let owner = format!("alter table {} owner to {OWNER}", leads.name());
        run(superuser, &owner).await?;
        let loaded = leads.load(superuser, rows, seed).await;
        loaded.map_err(SalesError::Prepare)
    }

    /// The application, with the version that knows the table as it was loaded.
    pub fn workload(&self, rows: u32) -> WorkloadSpec {
        WorkloadSpec::new(self.url(APPLICATION), self.leads.clone(), rows)
    }

    /// How a version of the application sees its table.
    pub fn shape(&self, version: Version) -> Result<Shape, SalesError> {
        version.shape(&self.leads).map_err(SalesError::Shape)
    }

    /// Compares the table that `version` of the application uses with the control table, in one
    /// snapshot; returns the number of rows.
    pub async fn compare(&self, version: Version) -> Result<i64, OracleError> {
        version.compare(&self.leads, &self.superuser).await
    }

    /// Leaves the server running, beyond the end of this process; returns its process id.
    pub fn keep(self) -> Option<u32> {
        let process = self.cluster.process_id();
        self.cluster.keep();
        process
    }
}

async fn connect(url: &str) -> Result<Client, SalesError> {
    let connected = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) = connected.map_err(SalesError::Prepare)?;
    // Ends with the client; what breaks it shows at the next statement.
    tokio::spawn(connection);
    Ok(client)
}

async fn run(client: &Client, sql: &str) -> Result<(), SalesError> {
    client.batch_execute(sql).await.map_err(SalesError::Prepare)
}
