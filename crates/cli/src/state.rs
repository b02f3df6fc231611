//! The state as commands open it.

use crossfade_plan::MigrationName;
use crossfade_postgres::{Mode, Transaction, TransactionSettings};
use crossfade_state::{Actor, Process, StateError, Store};

use crate::connection::{self, FEW};
use crate::error::Failure;
use crate::migration;
use crate::settings::Settings;

/// Opens the state to read it: creates and upgrades nothing, `None` where there is none.
pub(crate) async fn for_reading(
    settings: &Settings,
    command: &str,
) -> Result<Option<Store>, Failure> {
    let database = connection::database(settings, None, command, FEW)?;
    Ok(Store::open_existing(database, settings.state_schema.clone()).await?)
}

/// What is said where there is no state to read.
pub(crate) fn nothing(settings: &Settings) -> String {
    format!(
        "No migrations: this database has no state schema {}.",
        settings.state_schema
    )
}

/// Opens the state to change what is wanted of a migration that is registered. An older schema
/// is upgraded; where there is none, no migration is registered either, and none is made.
pub(crate) async fn for_change(
    settings: &Settings,
    name: &MigrationName,
    command: &str,
) -> Result<Store, Failure> {
    let database = connection::database(settings, Some(name), command, FEW)?;
    let schema = settings.state_schema.clone();
    match Store::open_existing(database.clone(), schema.clone()).await {
        Ok(Some(store)) => Ok(store),
        Ok(None) => Err(migration::unknown(name)),
        Err(StateError::SchemaOlder { .. }) => Ok(Store::open(database, schema).await?),
        Err(error) => Err(error.into()),
    }
}

/// One snapshot, so that what several statements read fits together.
pub(crate) async fn snapshot(store: &Store, tag: &str) -> Result<Transaction, Failure> {
    let settings = TransactionSettings {
        mode: Mode::Snapshot,
        ..Default::default()
    };
    Ok(store.database().begin(tag, &settings).await?)
}

/// Who the records name: this process. The server puts the role before it.
pub(crate) fn actor() -> Actor {
    Actor::from(&Process::current())
}
