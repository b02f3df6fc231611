//! `crossfade preflight`: all checks before a migration may touch anything. Changes nothing.

use std::time::Duration;

use clap::Args;
use crossfade_engine::preflight::{self, Finding, Outcome, Report, Scope};
use crossfade_engine::{Expansion, Limits};
use crossfade_plan::MigrationName;
use crossfade_planner::PlannerSettings;
use crossfade_state::Store;
use serde::Serialize;

use crate::arguments::FormatArguments;
use crate::connection::{self, FEW};
use crate::error::{Code, Failure, engine_failure};
use crate::exit::Exit;
use crate::output::Last;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::work::{PreflightArguments, Subject};
use crate::{migration, output};

const COMMAND: &str = "preflight";

/// Which plan file.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plan file, or the name of a migration that is registered
    #[arg(value_name = "FILE")]
    migration: String,
    #[command(flatten)]
    preflight: PreflightArguments,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Serialize)]
struct Printed<'a> {
    name: &'a MigrationName,
    /// Whether `expand` would go on, given what was accepted.
    passed: bool,
    findings: &'a [Finding],
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    // Changes nothing, and is soon made again: it waits for nobody.
    let patience = Patience::at_first(Duration::ZERO);
    let subject = Subject::find(settings, &arguments.migration, COMMAND, &patience).await?;
    let mut limits = Limits::default();
    arguments.preflight.add_to(&mut limits);
    let report = examine(&subject, settings, &limits).await?;
    let stopping: Vec<&Finding> = report.stopping(&limits).collect();
    let printed = Printed {
        name: &subject.name,
        passed: stopping.is_empty(),
        findings: &report.findings,
    };
    arguments
        .format
        .print(COMMAND, &printed, || text(&report))?;
    if stopping.is_empty() {
        return Ok(Exit::Done);
    }
    let checks: Vec<&str> = stopping.iter().map(|finding| finding.check).collect();
    let message = format!("these checks did not pass: {}", checks.join(", "));
    let next = "Do what is said at each, then run this again.";
    Err(Failure::new(Code::Preflight, message).next(next))
}

async fn examine(
    subject: &Subject,
    settings: &Settings,
    limits: &Limits,
) -> Result<Report, Failure> {
    let file = subject
        .file()
        .ok_or_else(|| migration::unknown(&subject.name))?;
    let database = connection::database(settings, Some(&subject.name), COMMAND, FEW)?;
    let schema = settings.state_schema.clone();
    let store = Store::open_existing(database.clone(), schema.clone()).await?;
    let planner = PlannerSettings {
        state_schema: schema,
    };
    let examined = async {
        let expansion = Expansion::prepare(&database, &planner, file).await?;
        preflight::run(&database, store.as_ref(), limits, &expansion, Scope::Expand).await
    };
    examined
        .await
        .map_err(|error| engine_failure(error, subject, COMMAND))
}

/// A table of the checks, and below it what to do.
fn text(report: &Report) -> String {
    let findings = report.findings.iter();
    let row = |finding: &Finding| {
        let outcome = outcome(finding.outcome);
        [finding.check, outcome, &finding.message].map(str::to_owned)
    };
    let rows: Vec<_> = findings.map(row).collect();
    let table = output::table(["check", "outcome", "found"], Last::Prose, &rows);
    let remedies = report.findings.iter().filter_map(|finding| {
        let remedy = finding.remedy.as_deref()?;
        Some(output::wrapped(&format!("{}: {remedy}", finding.check)))
    });
    let remedies: Vec<String> = remedies.collect();
    if remedies.is_empty() {
        table
    } else {
        format!("{table}\n\nWhat to do:\n{}", remedies.join("\n"))
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "warn",
        Outcome::Unknown => "unknown",
        Outcome::Fail => "fail",
    }
}
