//! The server that test databases are made on.

use crossfade_sandbox::cluster::{Cluster, ClusterOptions, SUPERUSER};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::OnceCell;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::Result;

/// The environment variable with a superuser's URL of the server to test on.
pub const URL_VARIABLE: &str = "CROSSFADE_TEST_DATABASE_URL";

/// The cluster of this process, where the environment names none. A static is never
/// dropped: its guard removes it when the process ends.
static OWN: OnceCell<Cluster> = OnceCell::const_new();

/// How a cluster that many tests share is configured: for many connections, with
/// prepared transactions, and with logical replication slots.
pub fn cluster_options() -> ClusterOptions {
    ClusterOptions::default()
        .max_connections(300)
        .setting("max_prepared_transactions", "20")
        .setting("wal_level", "logical")
}

/// Where a server is, and its superuser.
#[derive(Clone, Debug)]
pub struct TestServer {
    host: String,
    port: u16,
    superuser: String,
    password: String,
    database: String,
}

impl TestServer {
    /// The server that [`URL_VARIABLE`] names, else one of this process.
    pub async fn shared() -> Result<Self> {
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return Self::parse(&url);
        }
        let options = cluster_options();
        let cluster = OWN.get_or_try_init(|| Cluster::start(&options)).await?;
        Self::of(cluster)
    }

    /// The server of a cluster that the test has to itself.
    pub fn of(cluster: &Cluster) -> Result<Self> {
        Self::parse(&cluster.url(SUPERUSER, SUPERUSER))
    }

    fn parse(url: &str) -> Result<Self> {
        let config: Config = url.parse()?;
        let host = match config.get_hosts() {
            [Host::Tcp(name)] => name.clone(),
            [Host::Unix(path)] => path.to_string_lossy().into_owned(),
            _ => return Err(format!("{URL_VARIABLE} must name one host").into()),
        };
        let superuser = config
            .get_user()
            .ok_or_else(|| format!("{URL_VARIABLE} must name a superuser"))?;
        let password = config.get_password().unwrap_or(b"unused");
        Ok(Self {
            host,
            port: config.get_ports().first().copied().unwrap_or(5432),
            superuser: superuser.to_owned(),
            password: String::from_utf8(password.to_owned())?,
            database: config.get_dbname().unwrap_or(SUPERUSER).to_owned(),
        })
    }

    /// The superuser's name.
    pub fn superuser(&self) -> &str {
        &self.superuser
    }

    /// The password of the superuser; test roles get the same.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The superuser's URL of the database that always exists, for what concerns the
    /// whole server.
    pub fn maintenance_url(&self) -> String {
        self.url(&self.database, &self.superuser)
    }

    /// Its host, or the directory of its socket, and its port.
    pub(crate) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The same server by another way.
    pub(crate) fn at(&self, host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            ..self.clone()
        }
    }

    /// The URL of a database for a role that has [`Self::password`].
    pub fn url(&self, database: &str, user: &str) -> String {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        // The host is a parameter since it may be the directory of a socket.
        format!(
            "postgresql://{}:{}@/{}?host={}&port={}",
            encode(user),
            encode(&self.password),
            encode(database),
            encode(&self.host),
            self.port,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_survives_its_parts() -> Result<()> {
        for url in [
            "postgresql://me%40home:a%2Fb%3Fc@127.0.0.1:5433/main",
            "postgresql://me%40home:a%2Fb%3Fc@/main?host=%2Frun%2Fpg&port=5433",
        ] {
            let server = TestServer::parse(url)?;
            let expected: Config = url.parse()?;
            let made: Config = server.maintenance_url().parse()?;
            assert_eq!(made, expected);
            let other: Config = server.url("Odd name/%", "a\"b").parse()?;
            assert_eq!(other.get_dbname(), Some("Odd name/%"));
            assert_eq!(other.get_user(), Some("a\"b"));
        }
        Ok(())
    }

    #[test]
    fn a_url_with_two_hosts_is_refused() {
        let outcome = TestServer::parse("postgresql://me@one,two/main");
        assert!(outcome.is_err_and(|error| error.to_string().contains("one host")));
    }
}
