//! `crossfade backfill`: copies what was there before, and builds what the target needs.

use clap::Args;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::work::{LimitArguments, Order, Printer, Subject, WindowArguments, Work};

const COMMAND: &str = "backfill";

/// Which migration, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    #[command(flatten)]
    window: WindowArguments,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let limits = arguments.limits.limits(settings);
    let patience = Patience::at_first(limits.max_wait);
    let subject =
        Subject::find_registered(settings, &arguments.migration, COMMAND, &patience).await?;
    let printer = Printer::Lines(arguments.format.format);
    let order = Order {
        command: COMMAND,
        printer,
        limits,
        window: Some(&arguments.window),
    };
    let work = Work::start(settings, &subject, order).await?;
    let end = work.engine.backfill(&subject.name).await;
    work.end(end, &subject).await?.finish(COMMAND, printer)
}
