//! `crossfade expand`: registers the migration, creates target and dual-write.

use clap::Args;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::migration;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::work::{ExpandArguments, LimitArguments, Order, Printer, Subject, Work};

const COMMAND: &str = "expand";

/// Which migration, and what is accepted.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plan file, or the name of a migration that is registered
    #[arg(value_name = "FILE")]
    migration: String,
    #[command(flatten)]
    expand: ExpandArguments,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let reviewed = arguments.expand.reviewed()?;
    let mut limits = arguments.limits.limits(settings);
    let patience = Patience::at_first(limits.max_wait);
    let subject = Subject::find(settings, &arguments.migration, COMMAND, &patience).await?;
    let file = subject
        .file()
        .ok_or_else(|| migration::unknown(&subject.name))?;
    arguments.expand.add_to(&mut limits);
    let printer = Printer::Object(arguments.format.format);
    let order = Order {
        command: COMMAND,
        printer,
        limits,
        window: None,
    };
    let work = Work::start(settings, &subject, order).await?;
    let end = work.engine.expand(file, reviewed.as_ref()).await;
    work.end(end, &subject).await?.finish(COMMAND, printer)
}
