//! Connection settings, resolved as libpq resolves them: a connection string wins over a service, a service over the
//! environment, the environment over defaults.

mod base;
mod connection_string;
mod environment;
mod error;
mod parameter;
mod passfile;
mod server;
mod service_file;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use tokio_postgres::Config;

use self::base::{choose, limit, seconds};
use self::parameter::Parameters;
use self::passfile::{Account, Passfile};
pub(crate) use self::server::{Place, Server};
pub(crate) use self::tls::{ClientCertificate, Roots, TlsSettings, Verification};

pub use self::environment::Environment;
pub use self::error::SettingsError;
pub use self::parameter::Origin;

/// How long connecting to one address may take unless `connect_timeout` says otherwise; libpq would wait for ever.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection string and where it was given.
#[derive(Clone, Debug)]
pub struct ConnectionString {
    /// A `postgresql://` URL or `keyword=value` pairs; may hold a password.
    pub text: SecretString,
    /// The flag or variable that held it, for messages: `--database-url`.
    pub origin: &'static str,
}

/// Everything needed to connect, but for a password command. `Display` and `Debug` show no secret.
#[derive(Clone)]
pub struct ConnectionSettings {
    /// What is the same for every server; holds no host and no password.
    pub(crate) base: Config,
    pub(crate) servers: Vec<Server>,
    pub(crate) in_random_order: bool,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) password: Option<SecretString>,
    pub(crate) passfile: Option<Passfile>,
    /// For one address, from the socket to the end of authentication; `None` is without limit.
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) tls: TlsSettings,
}

impl ConnectionSettings {
    /// Resolves the settings from `given`, the service that it or the environment names, and `environment`.
    pub fn resolve(
        given: Option<&ConnectionString>,
        environment: &Environment,
    ) -> Result<Self, SettingsError> {
        let parameters = collect(given, environment)?;
        let text = |keyword| {
            parameters
                .get(keyword)
                .map(|found| found.value().to_owned())
        };

        let user = text("user")
            .or_else(|| environment.user.clone())
            .ok_or(SettingsError::UserMissing)?;
        let database = text("dbname").unwrap_or_else(|| user.clone());
        let servers = server::servers(&parameters, environment)?;
        let all_local = servers.iter().all(Server::is_local);
        let tls = TlsSettings::resolve(&parameters, environment, all_local)?;
        let passfile = text("passfile").map(PathBuf::from).or_else(|| {
            let home = environment.home.as_ref()?;
            Some(home.join(".pgpass"))
        });

        Ok(Self {
            base: base::base(&parameters, &user, &database, &tls)?,
            in_random_order: choose(
                &parameters,
                "load_balance_hosts",
                "disable or random",
                &[("disable", false), ("random", true)],
            )?
            .unwrap_or(false),
            servers,
            user,
            database,
            password: text("password").map(SecretString::from),
            passfile: passfile.map(Passfile),
            connect_timeout: seconds(&parameters, "connect_timeout")?
                .map_or(Some(DEFAULT_CONNECT_TIMEOUT), limit),
            tls,
        })
    }

    /// Name of the role that connects.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The password that goes with `server` where no command makes one: the given one, else the password file's.
    pub(crate) async fn stored_password(
        &self,
        server: &Server,
    ) -> Result<Option<SecretString>, SettingsError> {
        if self.password.is_some() {
            return Ok(self.password.clone());
        }
        let Some(passfile) = &self.passfile else {
            return Ok(None);
        };
        let account = Account {
            host: &server.passfile_host,
            port: server.port,
            database: &self.database,
            user: &self.user,
        };
        passfile
            .password(account)
            .await
            .map_err(|source| SettingsError::Unreadable {
                path: passfile.0.clone(),
                source,
            })
    }
}

impl fmt::Display for ConnectionSettings {
    /// A URL without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgresql://{}@", self.user)?;
        for (at, server) in self.servers.iter().enumerate() {
            let separator = if at == 0 { "" } else { "," };
            write!(f, "{separator}{server}")?;
        }
        write!(f, "/{}", self.database)
    }
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("servers", &self.servers)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("password", &self.password)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// The parameters of all sources, the strongest first.
fn collect(
    given: Option<&ConnectionString>,
    environment: &Environment,
) -> Result<Parameters, SettingsError> {
    let mut parameters = Parameters::default();
    if let Some(given) = given {
        let origin = Origin::ConnectionString(given.origin);
        let pairs = connection_string::parse(&given.text, &origin)?;
        parameters.add_source(
            pairs
                .into_iter()
                .map(|(keyword, value)| (keyword, value, origin.clone())),
        )?;
    }
    // The service can be named by the environment, and still wins over the rest of it.
    let mut named = Parameters::default();
    named.add_source(environment.parameters())?;
    let service = parameters.get("service").or_else(|| named.get("service"));
    if let Some(service) = service {
        let file = parameters
            .get("servicefile")
            .or_else(|| named.get("servicefile"));
        let definition = service_file::load(
            service.value(),
            file.map(parameter::Parameter::value),
            environment,
            &service.origin,
        )?;
        parameters.add_source(definition)?;
    }
    parameters.add_source(environment.parameters())?;
    Ok(parameters)
}
