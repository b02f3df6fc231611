//! A server that offers TLS, with a certificate authority of its own.

use std::error::Error;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crossfade_postgres::{
    ConnectError, ConnectionSettings, ConnectionString, Connector, Environment,
};
use crossfade_sandbox::cluster::{Cluster, ClusterOptions, StopMode};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;
use tokio_postgres::Client;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The only name in the server's certificate.
pub(crate) const NAME: &str = "db.example.test";

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// A certificate and its key, both as PEM.
    pub(crate) fn issue(
        &self,
        common_name: &str,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(String, String)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

/// A cluster, and a home directory for whoever connects to it.
pub(crate) struct Server {
    pub(crate) cluster: Cluster,
    pub(crate) home: TempDir,
}

impl Server {
    pub(crate) async fn start(options: ClusterOptions) -> Result<Self> {
        Ok(Self {
            cluster: Cluster::start(&options).await?,
            home: tempfile::tempdir()?,
        })
    }

    /// A server with a certificate for [`NAME`], issued by `authority`, which it also trusts for clients.
    pub(crate) async fn start_with_tls(authority: &Authority) -> Result<Self> {
        let mut server = Self::start(ClusterOptions::default()).await?;
        let (certificate, key) =
            authority.issue("server", &[NAME], ExtendedKeyUsagePurpose::ServerAuth)?;
        server.write_server_file("server.crt", &certificate)?;
        server.write_server_file("server.key", &key)?;
        server.write_server_file("clients.crt", &authority.pem)?;
        let admin = server.connect("sslmode=disable").await?;
        for statement in [
            "alter system set ssl = on",
            "alter system set ssl_ca_file = 'clients.crt'",
        ] {
            admin.batch_execute(statement).await?;
        }
        drop(admin);
        server.cluster.restart(StopMode::Fast).await?;
        Ok(server)
    }

    /// Writes a file into the data directory as the account that runs the server.
    pub(crate) fn write_server_file(&self, name: &str, contents: &str) -> Result {
        let data = self.cluster.data_directory();
        let path = data.join(name);
        fs::write(&path, contents)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let owner = fs::metadata(data)?;
        chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        Ok(())
    }

    /// Writes a file into the home directory that nobody else can read.
    pub(crate) fn write_own_file(&self, name: &str, contents: &str) -> Result<PathBuf> {
        let path = self.home.path().join(name);
        fs::write(&path, contents)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// A `keyword=value` string for the superuser with `more` behind it.
    pub(crate) fn string(&self, more: &str) -> String {
        format!(
            "host=127.0.0.1 port={} user=postgres dbname=postgres password={} {more}",
            self.cluster.port(),
            self.cluster.password(),
        )
    }

    pub(crate) fn settings(&self, text: &str) -> Result<ConnectionSettings> {
        settings(text, self.home.path())
    }

    pub(crate) fn connector(&self, more: &str) -> Result<Connector> {
        Ok(Connector::new(self.settings(&self.string(more))?, None)?)
    }

    /// Connects as the superuser with `more` parameters.
    pub(crate) async fn connect(&self, more: &str) -> Result<Client> {
        Ok(self.connector(more)?.connect("test").await?)
    }

    /// What connecting with `more` parameters fails with.
    pub(crate) async fn refusal(&self, more: &str) -> Result<ConnectError> {
        match self.connector(more)?.connect("test").await {
            Ok(_) => Err(format!("connected with {more}").into()),
            Err(error) => Ok(error),
        }
    }
}

pub(crate) fn settings(text: &str, home: &Path) -> Result<ConnectionSettings> {
    let given = ConnectionString {
        text: text.into(),
        origin: "--database-url",
    };
    let environment = Environment::new(|_| None, Some(home.to_owned()), None);
    Ok(ConnectionSettings::resolve(Some(&given), &environment)?)
}

/// One text value.
pub(crate) async fn text(client: &Client, sql: &str) -> Result<String> {
    Ok(client.query_typed(sql, &[]).await?[0].try_get(0)?)
}
