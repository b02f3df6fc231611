//! `crossfade init`: creates or upgrades the state schema.

use clap::Args;
use crossfade_state::{SCHEMA_VERSION, Store};
use serde::Serialize;

use crate::arguments::FormatArguments;
use crate::connection::{self, FEW};
use crate::error::Failure;
use crate::exit::Exit;
use crate::settings::Settings;

/// Nothing of its own.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Serialize)]
struct Printed<'a> {
    state_schema: &'a str,
    version: i32,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let database = connection::database(settings, None, "init", FEW)?;
    let store = Store::open(database, settings.state_schema.clone()).await?;
    let printed = Printed {
        state_schema: store.schema().as_str(),
        version: SCHEMA_VERSION,
    };
    arguments.format.print("init", &printed, || {
        format!(
            "State schema {} has version {SCHEMA_VERSION}.",
            store.schema()
        )
    })?;
    Ok(Exit::Done)
}
