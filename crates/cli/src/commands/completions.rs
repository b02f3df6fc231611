//! `crossfade completions`: a completion script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::output;

/// The shell that completes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = crate::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "crossfade", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::of(Code::Internal, &error))?;
    output::print(&script)?;
    Ok(Exit::Done)
}
