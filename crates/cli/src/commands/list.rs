//! `crossfade list`: the migrations of the database.

use clap::Args;
use crossfade_plan::{Stage, Status};
use crossfade_state::MigrationRecord;
use jiff::Timestamp;
use serde::Serialize;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::{self, Last};
use crate::settings::Settings;
use crate::state;

/// Nothing of its own.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Serialize)]
struct Printed {
    migrations: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    table: String,
    stage: Stage,
    status: Status,
    fingerprint: String,
    created_by: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
    error: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let (records, none) = match state::for_reading(settings, "list").await? {
        Some(store) => {
            let records = store.list(&store.session("list").await?).await?;
            (records, "No migrations.".to_owned())
        }
        None => (Vec::new(), state::nothing(settings)),
    };
    let migrations: Vec<_> = records.into_iter().map(listed).collect();
    let printed = Printed { migrations };
    arguments.format.print("list", &printed, || {
        if printed.migrations.is_empty() {
            none
        } else {
            text(&printed.migrations)
        }
    })?;
    Ok(Exit::Done)
}

fn listed(record: MigrationRecord) -> Listed {
    Listed {
        name: record.name.to_string(),
        table: record.table.to_string(),
        stage: record.stage,
        status: record.status,
        fingerprint: record.fingerprint.as_str().to_owned(),
        created_by: record.created_by,
        created_at: record.created_at,
        updated_at: record.updated_at,
        finished_at: record.finished_at,
        error: record.error,
    }
}

fn text(migrations: &[Listed]) -> String {
    let row = |listed: &Listed| {
        [
            listed.name.clone(),
            listed.table.clone(),
            listed.stage.to_string(),
            listed.status.to_string(),
            listed.updated_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        ]
    };
    let rows: Vec<_> = migrations.iter().map(row).collect();
    let header = ["name", "table", "stage", "status", "changed (UTC)"];
    output::table(header, Last::Value, &rows)
}
