//! `crossfade plan`: what a plan file would do, exactly. Changes nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use crossfade_plan::execution::ExecutionPlan;
use crossfade_planner::{PlannerSettings, collect_facts, render};
use crossfade_postgres::catalog::Catalog;
use crossfade_postgres::{Mode, TransactionSettings};

use crate::connection::{self, FEW};
use crate::error::{Code, Failure, no_such_table, plan_failure};
use crate::exit::Exit;
use crate::output;
use crate::plan_source::PlanSource;
use crate::settings::Settings;

/// Which file, and how the plan is printed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plan file; - for standard input
    file: PathBuf,
    /// Write the plan as JSON into a file too, for `expand --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: PlanFormat,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For psql
    Sql,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let source = PlanSource::read(&arguments.file)?;
    let plan = make(&source, settings).await?;
    if let Some(path) = &arguments.out {
        write(path, &document(&plan)?).map_err(|error| {
            let message = format!("{} cannot be written", path.display());
            Failure::new(Code::OutputFile, message).because(Some(&error))
        })?;
    }
    output::print(&match arguments.format {
        PlanFormat::Text => render::text(&plan),
        PlanFormat::Json => document(&plan)?,
        PlanFormat::Sql => render::sql(&plan),
    })?;
    Ok(Exit::Done)
}

/// Plans against the database as it is now.
async fn make(source: &PlanSource, settings: &Settings) -> Result<ExecutionPlan, Failure> {
    let file = &source.parsed.plan;
    let database = connection::database(settings, Some(&file.name), "plan", FEW)?;
    let of_plan = TransactionSettings {
        mode: Mode::Snapshot,
        ..Default::default()
    };
    let transaction = database.begin("plan", &of_plan).await?;
    let catalog = Catalog::load(&transaction, &file.table).await?;
    let Catalog {
        table,
        server_version_num,
    } = catalog.ok_or_else(|| no_such_table(source))?;
    let facts = collect_facts(&transaction, file, &table, server_version_num).await?;
    transaction.rollback().await?;
    let of_planner = PlannerSettings {
        state_schema: settings.state_schema.clone(),
    };
    crossfade_planner::plan(file, &table, &facts, &of_planner)
        .map_err(|errors| plan_failure(&errors, source))
}

fn document(plan: &ExecutionPlan) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(&render::json(plan))
        .map_err(|error| Failure::of(Code::Internal, &error))?;
    text.push('\n');
    Ok(text)
}

/// Writes the whole file or nothing: who runs a plan must not meet half of one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    // As any file that is made anew: the umask takes its part.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
