//! `crossfade`: arguments, settings, commands, exit codes, errors.

mod arguments;
mod commands;
mod connection;
mod error;
mod exit;
mod logging;
mod migration;
mod output;
mod panic;
mod patience;
mod plan_source;
mod settings;
mod signals;
mod state;
mod stderr;
mod usage;
mod verification;
mod work;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::error::Failure;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::stderr::Stderr;

fn main() -> ExitCode {
    // Reads FAILPOINTS, and holds to what it says until the process ends.
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    panic::report_as_internal_error();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::refuse(&error).into(),
    };
    let mut stderr = Stderr::new(arguments.command.format(), arguments.global.color);
    match run(arguments, &mut stderr) {
        Ok(exit) => exit,
        Err(failure) => {
            stderr.report(&failure);
            failure.exit()
        }
    }
    .into()
}

fn run(arguments: Arguments, stderr: &mut Stderr) -> Result<Exit, Failure> {
    let Arguments { global, command } = arguments;
    // What needs no settings must not fail by them.
    match &command {
        Command::Schema => return commands::schema::run(),
        Command::Completions(arguments) => return commands::completions::run(arguments),
        _ => {}
    }
    let settings = Settings::of_process(&global)?;
    stderr.set_color(settings.color);
    logging::start(settings.log_format, settings.verbose, stderr.is_colored());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of(error::Code::Internal, &error))?;
    runtime.block_on(commands::run(command, &settings))
}
