//! `crossfade contract`: removes the old side, for good.

use clap::Args;
use crossfade_plan::Stage;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::work::{ConfirmArguments, LimitArguments, Order, Printer, Subject, Work, confirm};

const COMMAND: &str = "contract";

/// Which migration.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
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
    // In any other stage nothing would be removed: it is done, or refused.
    if subject.stage() == Stage::CutOver {
        confirm(arguments.confirm.yes, &what(&subject))?;
    }
    let printer = Printer::Object(arguments.format.format);
    let order = Order {
        command: COMMAND,
        printer,
        limits,
        window: None,
    };
    let work = Work::start(settings, &subject, order).await?;
    let end = work.engine.contract(&subject.name).await;
    work.end(end, &subject).await?.finish(COMMAND, printer)
}

/// What a contract takes away.
pub(super) fn what(subject: &Subject) -> String {
    let name = &subject.name;
    match &subject.registered {
        Some(registered) => format!(
            "contract of {name} drops {} for good, and with it the way back",
            registered.plan.objects.retired
        ),
        None => format!("contract of {name} drops the old side for good, and with it the way back"),
    }
}
