//! `crossfade rollback`: undoes a migration, from any stage before contract.

use clap::Args;
use crossfade_engine::Loss;
use crossfade_plan::Stage;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::work::{ConfirmArguments, LimitArguments, Order, Printer, Subject, Work, confirm};

const COMMAND: &str = "rollback";

/// Which migration.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    /// Go back even if writes are lost that the old side could not take
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    confirm: ConfirmArguments,
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
    if !subject.stage().is_final() {
        confirm(arguments.confirm.yes, &what(&subject))?;
    }
    let printer = Printer::Object(arguments.format.format);
    let order = Order {
        command: COMMAND,
        printer,
        limits,
        window: None,
    };
    let loss = if arguments.accept_loss {
        Loss::Accepted
    } else {
        Loss::Refused
    };
    let work = Work::start(settings, &subject, order).await?;
    let end = work.engine.rollback(&subject.name, loss).await;
    work.end(end, &subject).await?.finish(COMMAND, printer)
}

fn what(subject: &Subject) -> String {
    let name = &subject.name;
    if subject.stage() == Stage::RollingBack {
        format!("rollback of {name} drops what is left of the new side")
    } else if subject.stage() >= Stage::CutOver {
        format!("rollback of {name} swaps the tables back and drops the new side")
    } else {
        format!("rollback of {name} drops the target with all that was copied")
    }
}
