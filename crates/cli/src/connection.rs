//! From settings to a database that can be connected to.

use std::time::Duration;

use crossfade_plan::MigrationName;
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, PasswordCommand, Pool,
};

use crate::error::Failure;
use crate::settings::Settings;

/// Connections that a command needs which does one thing after the other.
pub(crate) const FEW: usize = 2;

/// How long a statement waits for a connection of ours to come back. They are counted so that
/// none has to wait; this is for a pool that leaks.
const POOL_PATIENCE: Duration = Duration::from_secs(30);

/// The database of the settings, with a pool of `connections`. Connects to nothing yet.
/// `migration` is shown as the name of the connections.
pub(crate) fn database(
    settings: &Settings,
    migration: Option<&MigrationName>,
    command: &str,
    connections: usize,
) -> Result<Database, Failure> {
    let connector = connector(settings, settings.database_url.as_ref())?;
    let direct = match &settings.ddl_url {
        Some(url) => self::connector(settings, Some(url))?,
        None => connector.clone(),
    };
    let tag = match migration {
        Some(name) => format!("{name}/{command}"),
        None => command.to_owned(),
    };
    let pool = Pool::new(connector.clone(), &tag, connections, POOL_PATIENCE);
    Ok(Database::new(connector, direct, pool))
}

fn connector(settings: &Settings, url: Option<&ConnectionString>) -> Result<Connector, Failure> {
    let resolved = ConnectionSettings::resolve(url, &Environment::from_process())?;
    let command = settings.password_cmd.clone();
    let command =
        command.map(|command| PasswordCommand::new(command, PasswordCommand::DEFAULT_TIMEOUT));
    Ok(Connector::new(resolved, command)?)
}
