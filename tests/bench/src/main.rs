//! `bench`: what a migration costs, beside the server's own limit in the same run.

mod arguments;
mod bars;
mod bench;
mod chunk_log;
mod copy;
mod cutover;
mod dual_write;
mod load;
mod migration;
mod recorder;
mod report;
mod resume;
mod server;
mod table;
mod verify;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::bench::{Bench, tell};
use crate::report::Report;

/// Any error: all of them end the run.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(measure(Arguments::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("bench: {error}"));
            let mut source = error.source();
            while let Some(error) = source {
                tell(&format!("  caused by: {error}"));
                source = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: Arguments) -> Result<()> {
    let out = arguments.out.clone();
    let mut bench = Box::pin(Bench::run(arguments)).await?;
    let report = Report::of(&mut bench).await?;
    report.print(&bench, &mut std::io::stdout().lock())?;
    let file = report.save(&bench, &out)?;
    tell(&format!("written to {}", file.display()));
    Ok(())
}
