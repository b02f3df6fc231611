//! `crossfade demo`: a whole migration of a live table, and the way back, on a private throwaway
//! PostgreSQL. Each step is the very program, run as a user would run it.

mod copying;
mod forward;
mod measure;
mod narrator;
mod outcome;
mod program;
mod stage;
mod way_back;

use clap::Args;
use crossfade_sandbox::sales::{MIGRATION, MIGRATOR, Sales};

use crate::error::Failure;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::signals;

use self::narrator::Narrator;
use self::outcome::Outcome;
use self::stage::Stage;

/// How large the demo is.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 300_000,
        value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    rows: u32,
    /// Where the random choices of rows and application begin
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Connections of the application
    #[arg(long, value_name = "N", default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=200))]
    connections: u16,
    /// Leave the server running, and say how to connect and how to stop it
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let stop = signals::listen()?;
    let narrator = Narrator::new(settings.color, stop.clone());
    // Whoever is not finished is dropped, and takes its processes and files along.
    tokio::select! {
        outcome = Box::pin(play(arguments, &narrator)) => outcome,
        () = stop.cancelled() => {
            narrator.say("Stopped. Server, processes and files are removed.")?;
            Ok(Exit::Stopped)
        }
    }
}

async fn play(arguments: &Arguments, narrator: &Narrator) -> Result<Exit, Failure> {
    let stage = Stage::set(arguments, narrator).await?;
    let played = Box::pin(acts(&stage)).await;
    if arguments.keep {
        keep(stage.sales, narrator)?;
    } else {
        drop(stage);
        narrator.say("Server, processes and files are removed.")?;
    }
    let outcome = played?;
    narrator.blank()?;
    narrator.report(&outcome.text())?;
    outcome.judge()
}

/// Forth and back, and what came of it.
async fn acts(stage: &Stage<'_>) -> Result<Outcome, Failure> {
    let alone = stage.application_alone().await?;
    let workload = stage.application(&alone).await?;
    let up = Box::pin(forward::migrate(stage, &workload)).await?;
    let back = Box::pin(way_back::roll_back(stage, workload)).await?;
    Ok(Outcome { alone, up, back })
}

fn keep(sales: Sales, narrator: &Narrator) -> Result<(), Failure> {
    let directory = sales.directory().display().to_string();
    let url = sales.url(MIGRATOR);
    let process = sales.keep();
    narrator.say("Kept. To go on with it:")?;
    narrator.quote(&format!(
        "cd {directory}\nexport DATABASE_URL={url}\ncrossfade history {MIGRATION}"
    ))?;
    narrator.say("To stop and remove it:")?;
    let stop = process.map_or_else(String::new, |id| format!("kill -QUIT {id}; sleep 1; "));
    narrator.quote(&format!("{stop}rm -rf {directory}"))
}
