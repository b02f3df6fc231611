//! `crossfade cutover`: swaps the tables.

use clap::Args;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::work::{LimitArguments, Order, Printer, Subject, Work};

const COMMAND: &str = "cutover";

/// Which migration.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
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
    let printer = Printer::Object(arguments.format.format);
    let order = Order {
        command: COMMAND,
        printer,
        limits,
        window: None,
    };
    let work = Work::start(settings, &subject, order).await?;
    let end = work.engine.cutover(&subject.name).await;
    work.end(end, &subject).await?.finish(COMMAND, printer)
}
