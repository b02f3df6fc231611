//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::commands::plan::PlanFormat;
use crate::error::Failure;
use crate::{commands, output};

/// Changes large PostgreSQL tables while applications keep reading and writing.
///
/// Every setting is taken from its option, else from the environment (`CROSSFADE_` and its name,
/// such as `CROSSFADE_STATE_SCHEMA`), else from crossfade.toml in the current directory.
#[derive(Debug, Parser)]
#[command(
    name = "crossfade",
    version,
    max_term_width = 80,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    /// Connection URL or keyword=value pairs; better in `DATABASE_URL`, since others can see
    /// arguments. Without one, libpq's variables, service and password files hold
    #[arg(long, global = true, value_name = "URL", value_parser = secret)]
    pub(crate) database_url: Option<SecretString>,
    /// Direct connection for what cannot go through a transaction pooler
    #[arg(long, global = true, value_name = "URL", value_parser = secret)]
    pub(crate) ddl_url: Option<SecretString>,
    /// Shell command that prints the password; run anew for each connection
    #[arg(long, global = true, value_name = "COMMAND", value_parser = secret)]
    pub(crate) password_cmd: Option<SecretString>,
    /// Schema for the state of migrations [default: crossfade]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) state_schema: Option<String>,
    /// Settings file [default: crossfade.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Form of the log on standard error [default: text]
    #[arg(long, global = true, value_name = "FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormat>,
    /// Log more: -v what is done, -vv why, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colours [default: auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum)]
    pub(crate) color: Option<Color>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create or upgrade the state schema
    Init(commands::init::Arguments),
    /// Print what a plan file would do: steps, SQL, locks, hazards
    Plan(commands::plan::Arguments),
    /// Check all that must be true before a migration begins
    Preflight(commands::preflight::Arguments),
    /// Register a migration, create its target and dual-write
    Expand(commands::expand::Arguments),
    /// Copy the rows, or go on with that, and build the target's indexes
    Backfill(commands::backfill::Arguments),
    /// Compare both sides and record the verdict
    Verify(commands::verify::Arguments),
    /// Swap the tables
    Cutover(commands::cutover::Arguments),
    /// Remove the old side, for good
    Contract(commands::contract::Arguments),
    /// Undo a migration, from any stage before contract
    Rollback(commands::rollback::Arguments),
    /// Go through every stage that is still to do
    Run(commands::run::Arguments),
    /// List the migrations of the database
    List(commands::list::Arguments),
    /// Show how far migrations are, what they do, and the next step
    Status(commands::status::Arguments),
    /// Show the events of a migration
    History(commands::history::Arguments),
    /// Begin no further chunk until `resume`
    Pause(commands::control::Arguments),
    /// Go on after `pause`
    Resume(commands::control::Arguments),
    /// Change a setting of a migration, while it runs too
    Set(commands::set::Arguments),
    /// Begin no cutover until `unhold`
    Hold(commands::control::Arguments),
    /// Allow the cutover after `hold`
    Unhold(commands::control::Arguments),
    /// Approve a migration's plan
    Approve(commands::approve::Arguments),
    /// Print the SQL for a role of least privilege
    Grants(commands::grants::Arguments),
    /// Watch a whole migration of a live table, on a private PostgreSQL
    Demo(commands::demo::Arguments),
    /// Print the JSON Schema of plan files
    Schema,
    /// Print a completion script for a shell
    Completions(commands::completions::Arguments),
}

impl Command {
    /// The form of data and errors.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Init(arguments) => arguments.format.format,
            Self::Plan(arguments) => match arguments.format {
                PlanFormat::Json => Format::Json,
                PlanFormat::Text | PlanFormat::Sql => Format::Text,
            },
            Self::Preflight(arguments) => arguments.format.format,
            Self::Expand(arguments) => arguments.format.format,
            Self::Backfill(arguments) => arguments.format.format,
            Self::Verify(arguments) => arguments.format.format,
            Self::Cutover(arguments) => arguments.format.format,
            Self::Contract(arguments) => arguments.format.format,
            Self::Rollback(arguments) => arguments.format.format,
            Self::Run(arguments) => arguments.format.format,
            Self::List(arguments) => arguments.format.format,
            Self::Status(arguments) => arguments.format.format,
            Self::History(arguments) => arguments.format.format,
            Self::Pause(arguments)
            | Self::Resume(arguments)
            | Self::Hold(arguments)
            | Self::Unhold(arguments) => arguments.format.format,
            Self::Set(arguments) => arguments.format.format,
            Self::Approve(arguments) => arguments.format.format,
            Self::Grants(arguments) => arguments.format.format,
            Self::Demo(_) | Self::Schema | Self::Completions(_) => Format::Text,
        }
    }
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// The format of commands that print data.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormatArguments {
    /// How data and errors are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

impl FormatArguments {
    /// Prints `data` for programs, or `text` for people.
    pub(crate) fn print<T: Serialize>(
        self,
        command: &str,
        data: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => output::print_json(command, data),
            Format::Text => output::print(&text()),
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// An object a line
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// On a pipe too
    Always,
    /// Not even on a terminal
    Never,
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}
