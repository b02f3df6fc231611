//! `crossfade grants`: the SQL that makes a role of least privilege. Connects to nothing: whoever
//! may run it reads it first.

use clap::Args;
use crossfade_plan::Ident;
use crossfade_state::{Grants, StatisticsAccess};
use serde::Serialize;

use crate::arguments::FormatArguments;
use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::settings::Settings;

/// Whose tables, and for whom.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Role that owns the tables
    #[arg(long, value_name = "ROLE")]
    owner: String,
    /// Schema of the tables
    #[arg(long, value_name = "NAME")]
    schema: String,
    /// Role that runs crossfade; made where there is none
    #[arg(long, value_name = "ROLE", default_value = "crossfade")]
    role: String,
    /// Leave out `pg_read_all_stats`: no pacing by replica lag and load
    #[arg(long)]
    without_statistics: bool,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Serialize)]
struct Printed {
    statements: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let grants = Grants {
        role: ident("--role", &arguments.role)?,
        owner: ident("--owner", &arguments.owner)?,
        schema: ident("--schema", &arguments.schema)?,
        state_schema: settings.state_schema.clone(),
        statistics: if arguments.without_statistics {
            StatisticsAccess::OwnOnly
        } else {
            StatisticsAccess::All
        },
    };
    let printed = Printed {
        statements: grants.statements(),
    };
    arguments
        .format
        .print("grants", &printed, || grants.script())?;
    Ok(Exit::Done)
}

/// Names are read as SQL reads them.
fn ident(option: &str, text: &str) -> Result<Ident, Failure> {
    Ident::parse(text).map_err(|error| {
        Failure::new(
            Code::CommandLine,
            format!("{option}: {text:?} is no SQL name"),
        )
        .because(Some(&error))
    })
}
