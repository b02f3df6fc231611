//! `crossfade verify`: compares both sides and records the verdict.

use clap::{Args, ValueEnum};
use crossfade_engine::{Comparison, VerifyEnd, VerifyRequest};
use crossfade_plan::file::VerifyMode;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::verification::Verification;
use crate::work::{End, LimitArguments, Order, Outcome, Printer, Subject, Work};

const COMMAND: &str = "verify";

/// Which migration, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    /// What is compared [default: what the plan says]
    #[arg(long, value_name = "MODE", value_enum)]
    mode: Option<Mode>,
    /// Rows of each side that a sample draws
    #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    sample_size: u64,
    /// Where random choices begin, to make them again [default: random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Mend what differs, then compare every row again
    #[arg(long, conflicts_with_all = ["mode", "self_test"])]
    repair: bool,
    /// Show the comparison a difference, which it must find; changes nothing for good
    #[arg(long, conflicts_with = "mode")]
    self_test: bool,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// The numbers of rows
    Counts,
    /// Rows drawn at random
    Sample,
    /// Every row; the only one that opens the way to the cutover
    Full,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let limits = arguments.limits.limits(settings);
    let patience = Patience::at_first(limits.max_wait);
    let subject =
        Subject::find_registered(settings, &arguments.migration, COMMAND, &patience).await?;
    let planned = subject.file().map(|file| file.verify.mode);
    let request = VerifyRequest {
        comparison: arguments.comparison(planned.unwrap_or_default()),
        seed: arguments.seed.unwrap_or_else(rand::random),
    };
    let printer = Printer::Lines(arguments.format.format);
    let order = Order {
        command: COMMAND,
        printer,
        limits,
        window: None,
    };
    let work = Work::start(settings, &subject, order).await?;
    let end = work.engine.verify(&subject.name, request).await;
    let ended = work.end(end, &subject).await?;
    let Some(end @ (VerifyEnd::Done { .. } | VerifyEnd::SelfTest(_))) = &ended.end else {
        let outcome = Outcome::new(&ended, End::Stopped, 0);
        printer.print(COMMAND, &outcome, || outcome.text())?;
        return Ok(Exit::Stopped);
    };
    let verification = Verification::read(&ended, end, &subject, request.seed).await?;
    printer.print(COMMAND, &verification, || verification.text())?;
    verification.exit()
}

impl Arguments {
    fn comparison(&self, planned: VerifyMode) -> Comparison {
        if self.self_test {
            return Comparison::SelfTest;
        }
        if self.repair {
            return Comparison::FullWithRepair;
        }
        let mode = self.mode.unwrap_or(match planned {
            VerifyMode::Full => Mode::Full,
            VerifyMode::Sample => Mode::Sample,
            VerifyMode::Counts => Mode::Counts,
        });
        match mode {
            Mode::Full => Comparison::Full,
            Mode::Sample => Comparison::Sample(self.sample_size),
            Mode::Counts => Comparison::Counts,
        }
    }
}
