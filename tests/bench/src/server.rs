//! The private server of a run, its roles and its log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, Pool,
};
use crossfade_sandbox::cluster::{Cluster, ClusterOptions, SUPERUSER};
use postgres_protocol::escape::escape_literal;
use secrecy::SecretString;
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The role that migrates: a member of the tables' owner, with what `crossfade grants` prints.
const MIGRATOR: &str = "bench_migrator";
/// The application's role.
const APP: &str = "bench_app";
/// The tables' owner.
pub(crate) const OWNER: &str = "bench_owner";
const DATABASE: &str = "bench";

/// Flushes like a production server; no checkpoint and no autovacuum falls into one contender's
/// time on account of what another wrote.
const SETTINGS: [(&str, &str); 7] = [
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("min_wal_size", "2GB"),
    ("checkpoint_timeout", "1d"),
    ("autovacuum", "off"),
    ("wal_keep_size", "0"),
    ("maintenance_work_mem", "256MB"),
];

/// Read by [`crate::chunk_log`]: seconds since 1970, the process, the role.
const LOG_LINE_PREFIX: &str = "%n %p %u ";

/// A server with an empty database.
#[derive(Debug)]
pub(crate) struct Server {
    cluster: Cluster,
    /// A superuser's session, for tables, peers' statements and measuring.
    pub(crate) admin: Client,
}

impl Server {
    /// Starts it and makes the database and its roles.
    pub(crate) async fn start() -> Result<Self> {
        let mut options = ClusterOptions::default()
            .durable()
            .setting("log_line_prefix", LOG_LINE_PREFIX);
        for (name, value) in SETTINGS {
            options = options.setting(name, value);
        }
        let cluster = Cluster::start(&options).await?;
        let password = escape_literal(cluster.password());
        let maintenance = connect(&cluster.url("postgres", SUPERUSER)).await?;
        maintenance
            .batch_execute(&format!(
                "create role {OWNER};
                 create role {MIGRATOR} login password {password} in role {OWNER};
                 create role {APP} login password {password};
                 alter role {MIGRATOR} set log_min_duration_statement = 0"
            ))
            .await?;
        maintenance
            .batch_execute(&format!("create database {DATABASE}"))
            .await?;
        let admin = connect(&cluster.url(DATABASE, SUPERUSER)).await?;
        admin
            .batch_execute(&format!(
                "revoke create on schema public from public;
                 grant create on database {DATABASE} to {MIGRATOR};
                 grant usage, create on schema public to {OWNER}, {MIGRATOR};
                 grant usage on schema public to {APP}"
            ))
            .await?;
        Ok(Self { cluster, admin })
    }

    /// A session of the application's.
    pub(crate) async fn app(&self) -> Result<Client> {
        connect(&self.cluster.url(DATABASE, APP)).await
    }

    /// The database as the migrator sees it.
    pub(crate) fn migrator(&self) -> Result<Database> {
        let string = ConnectionString {
            text: SecretString::from(self.cluster.url(DATABASE, MIGRATOR)),
            origin: "the benchmark",
        };
        let settings =
            ConnectionSettings::resolve(Some(&string), &Environment::new(|_| None, None, None))?;
        let connector = Connector::new(settings, None)?;
        let pool = Pool::new(connector.clone(), "bench", 12, Duration::from_secs(30));
        Ok(Database::new(connector.clone(), connector, pool))
    }

    /// Writes everything out, so that no contender pays for what the one before it left.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.admin.batch_execute("checkpoint").await?;
        Ok(())
    }

    /// The end of the write-ahead log, in bytes: what is not flushed yet included, since a chunk
    /// does not wait for that.
    pub(crate) async fn wal_bytes(&self) -> Result<f64> {
        self.number("select (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::float8")
            .await
    }

    /// The one value of a query, a `float8`.
    pub(crate) async fn number(&self, sql: &str) -> Result<f64> {
        Ok(self.admin.query_one(sql, &[]).await?.try_get(0)?)
    }

    /// The one value of a query, a text.
    pub(crate) async fn text(&self, sql: &str) -> Result<String> {
        Ok(self.admin.query_one(sql, &[]).await?.try_get(0)?)
    }

    /// The settings that this benchmark has chosen, as the server has them.
    pub(crate) async fn settings(&self) -> Result<Vec<(String, String)>> {
        let names = SETTINGS.map(|(name, _)| name);
        let mut settings = Vec::new();
        for name in names
            .into_iter()
            .chain(["fsync", "full_page_writes", "work_mem"])
        {
            let sql = format!("select pg_catalog.current_setting('{name}')");
            settings.push((name.to_owned(), self.text(&sql).await?));
        }
        Ok(settings)
    }

    /// How long the server's log is, in bytes.
    pub(crate) fn log_end(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.log())?.len())
    }

    /// The server's log from there on.
    pub(crate) fn log_since(&self, start: u64) -> Result<String> {
        let mut file = File::open(self.log())?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn log(&self) -> PathBuf {
        self.cluster.data_directory().with_extension("log")
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // Ends with the client; what breaks it shows at the next statement.
    tokio::spawn(connection);
    Ok(client)
}
