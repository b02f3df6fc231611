//! `crossfade run`: every stage that is still to do, for schedulers.

use clap::{Args, ValueEnum};
use crossfade_engine::{Comparison, RunEnd, RunRequest, VerifyRequest};
use crossfade_plan::Stage;

use super::contract;
use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::verification::Verification;
use crate::work::{
    ConfirmArguments, End, Ended, ExpandArguments, LimitArguments, Order, Outcome, Printer,
    Subject, WindowArguments, Work, confirm,
};

const COMMAND: &str = "run";

/// Which migration, how far, and with what.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plan file, or the name of a migration that is registered
    migration: String,
    /// The stage to reach
    #[arg(long, value_name = "STAGE", value_enum, default_value_t)]
    to: To,
    /// Mend rows that differ, then compare every row again
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    expand: ExpandArguments,
    #[command(flatten)]
    window: WindowArguments,
    #[command(flatten)]
    confirm: ConfirmArguments,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum To {
    /// Target and dual-write are there
    Expand,
    /// Every row is copied
    Backfill,
    /// Both sides are proved to be equal
    #[default]
    Verify,
    /// The tables are swapped
    Cutover,
    /// The old side is gone
    Contract,
}

impl To {
    fn stage(self) -> Stage {
        match self {
            Self::Expand => Stage::Expanded,
            Self::Backfill => Stage::Backfilled,
            Self::Verify => Stage::Verified,
            Self::Cutover => Stage::CutOver,
            Self::Contract => Stage::Contracted,
        }
    }
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let reviewed = arguments.expand.reviewed()?;
    let mut limits = arguments.limits.limits(settings);
    let patience = Patience::at_first(limits.max_wait);
    let subject = Subject::find(settings, &arguments.migration, COMMAND, &patience).await?;
    if arguments.to == To::Contract && !subject.stage().is_final() {
        confirm(arguments.confirm.yes, &contract::what(&subject))?;
    }
    let comparison = if arguments.repair {
        Comparison::FullWithRepair
    } else {
        Comparison::Full
    };
    let request = RunRequest {
        name: &subject.name,
        file: subject.source.as_ref().map(|source| &source.parsed.plan),
        reviewed: reviewed.as_ref(),
        to: arguments.to.stage(),
        verify: VerifyRequest {
            comparison,
            seed: rand::random(),
        },
    };
    arguments.expand.add_to(&mut limits);
    let printer = Printer::Lines(arguments.format.format);
    let order = Order {
        command: COMMAND,
        printer,
        limits,
        window: Some(&arguments.window),
    };
    let work = Work::start(settings, &subject, order).await?;
    let end = work.engine.run(request).await;
    let ended = work.end(end, &subject).await?;
    finish(&ended, &subject, printer, request.verify.seed).await
}

async fn finish(
    ended: &Ended<RunEnd>,
    subject: &Subject,
    printer: Printer,
    seed: u64,
) -> Result<Exit, Failure> {
    let (end, rows) = match &ended.end {
        Some(RunEnd::Reached { already: true }) => (End::Already, 0),
        Some(RunEnd::Reached { already: false }) => (End::Reached, 0),
        Some(RunEnd::RowErrors(rows)) => (End::RowErrors, *rows),
        Some(RunEnd::Stopped) | None => (End::Stopped, 0),
        Some(RunEnd::NotProved(end)) => {
            let verification = Verification::read(ended, end, subject, seed).await?;
            printer.print(COMMAND, &verification, || verification.text())?;
            return verification.exit();
        }
    };
    let outcome = Outcome::new(ended, end, rows);
    printer.print(COMMAND, &outcome, || outcome.text())?;
    end.exit(rows, &subject.name)
}
