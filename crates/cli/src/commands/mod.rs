//! The commands, one a file.

pub(crate) mod approve;
pub(crate) mod backfill;
pub(crate) mod completions;
pub(crate) mod contract;
pub(crate) mod control;
pub(crate) mod cutover;
pub(crate) mod demo;
pub(crate) mod expand;
pub(crate) mod grants;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod set;
pub(crate) mod status;
pub(crate) mod verify;

use crate::arguments::Command;
use crate::error::Failure;
use crate::exit::Exit;
use crate::settings::Settings;

use self::control::Change;

/// Runs a command.
pub(crate) async fn run(command: Command, settings: &Settings) -> Result<Exit, Failure> {
    match command {
        Command::Init(arguments) => init::run(&arguments, settings).await,
        Command::Plan(arguments) => plan::run(&arguments, settings).await,
        Command::Preflight(arguments) => Box::pin(preflight::run(&arguments, settings)).await,
        Command::Expand(arguments) => Box::pin(expand::run(&arguments, settings)).await,
        Command::Backfill(arguments) => Box::pin(backfill::run(&arguments, settings)).await,
        Command::Verify(arguments) => Box::pin(verify::run(&arguments, settings)).await,
        Command::Cutover(arguments) => Box::pin(cutover::run(&arguments, settings)).await,
        Command::Contract(arguments) => Box::pin(contract::run(&arguments, settings)).await,
        Command::Rollback(arguments) => Box::pin(rollback::run(&arguments, settings)).await,
        Command::Run(arguments) => Box::pin(self::run::run(&arguments, settings)).await,
        Command::List(arguments) => list::run(&arguments, settings).await,
        Command::Status(arguments) => status::run(&arguments, settings).await,
        Command::History(arguments) => history::run(&arguments, settings).await,
        Command::Pause(arguments) => control::run(Change::Pause, &arguments, settings).await,
        Command::Resume(arguments) => control::run(Change::Resume, &arguments, settings).await,
        Command::Hold(arguments) => control::run(Change::Hold, &arguments, settings).await,
        Command::Unhold(arguments) => control::run(Change::Unhold, &arguments, settings).await,
        Command::Set(arguments) => set::run(&arguments, settings).await,
        Command::Approve(arguments) => approve::run(&arguments, settings).await,
        Command::Grants(arguments) => grants::run(&arguments, settings),
        Command::Demo(arguments) => Box::pin(demo::run(&arguments, settings)).await,
        Command::Schema => schema::run(),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
