//! `crossfade status`: how far migrations are, from the state alone.

use std::io;
use std::time::Duration;

use clap::Args;
use crossfade_engine::Limits;
use crossfade_observe::progress::EventLines;
use crossfade_observe::status::{StatusView, read_status, status_lines};
use crossfade_plan::MigrationName;
use crossfade_state::Store;
use serde::Serialize;

use crate::arguments::{Format, FormatArguments};
use crate::error::Failure;
use crate::exit::Exit;
use crate::patience::Patience;
use crate::settings::Settings;
use crate::{migration, output, signals, state};

/// How often `--watch` looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which migrations, and how long.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file; without it, all of them
    migration: Option<String>,
    /// Show every change until the migrations are finished, or until Ctrl-C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// One migration where one was asked for, else all.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Printed {
    One(Box<StatusView>),
    All { migrations: Vec<StatusView> },
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let name = arguments
        .migration
        .as_deref()
        .map(migration::name)
        .transpose()?;
    let Some(store) = state::for_reading(settings, "status").await? else {
        let empty = Printed::All {
            migrations: Vec::new(),
        };
        print(arguments, &empty, || state::nothing(settings))?;
        return Ok(Exit::Done);
    };
    if arguments.watch {
        let max_wait = settings.max_wait.unwrap_or(Limits::default().max_wait);
        watch(arguments.format.format, &store, name.as_ref(), max_wait).await?;
    } else {
        let printed = read(&store, name.as_ref()).await?;
        print(arguments, &printed, || printed.text())?;
    }
    Ok(Exit::Done)
}

fn print(
    arguments: &Arguments,
    printed: &Printed,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let format = arguments.format.format;
    if arguments.watch && format == Format::Json {
        return written(show(format, printed, true)).map(drop);
    }
    arguments.format.print("status", printed, text)
}

/// Prints what has changed since the last look, until there is nothing more to come. A server that
/// goes away meanwhile is waited for.
async fn watch(
    format: Format,
    store: &Store,
    name: Option<&MigrationName>,
    max_wait: Duration,
) -> Result<(), Failure> {
    let stop = signals::listen()?;
    let patience = Patience::later(max_wait, stop.clone());
    let mut before: Option<Printed> = None;
    loop {
        let look = async || read(store, name).await;
        let now = patience.keep_trying(look).await?;
        let is_last = now.is_finished() || stop.is_cancelled();
        let is_news = before.as_ref() != Some(&now);
        // The result is a line of its own, though it may say what was said before.
        let is_said = is_news || (is_last && format == Format::Json);
        if is_said && written(show(format, &now, is_last))? == Reader::Gone {
            return Ok(());
        }
        if is_last {
            return Ok(());
        }
        before = Some(now);
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// One look of a watch.
fn show(format: Format, printed: &Printed, is_last: bool) -> io::Result<()> {
    let mut lines = EventLines::new(io::stdout(), "status");
    match format {
        Format::Text => output::write(&format!("{}\n", printed.text())),
        Format::Json if is_last => lines.result(printed),
        Format::Json => lines.data("status", printed),
    }
}

/// Who reads what a watch prints.
#[derive(Debug, PartialEq, Eq)]
enum Reader {
    There,
    /// Has seen enough: `crossfade status --watch | head`.
    Gone,
}

fn written(outcome: io::Result<()>) -> Result<Reader, Failure> {
    match outcome {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(output::unwritable(&error)),
    }
}

/// Reads one snapshot of the state.
async fn read(store: &Store, name: Option<&MigrationName>) -> Result<Printed, Failure> {
    let snapshot = state::snapshot(store, "status").await?;
    let printed = if let Some(name) = name {
        let record = migration::find(store, &snapshot, name).await?;
        Printed::One(Box::new(read_status(store, &snapshot, &record).await?))
    } else {
        let mut migrations = Vec::new();
        for record in store.list(&snapshot).await? {
            migrations.push(read_status(store, &snapshot, &record).await?);
        }
        Printed::All { migrations }
    };
    snapshot.rollback().await?;
    Ok(printed)
}

impl Printed {
    fn views(&self) -> &[StatusView] {
        match self {
            Self::One(view) => std::slice::from_ref(view),
            Self::All { migrations } => migrations,
        }
    }

    fn is_finished(&self) -> bool {
        self.views().iter().all(|view| view.stage.is_final())
    }

    fn text(&self) -> String {
        if self.views().is_empty() {
            return "No migrations.\n".to_owned();
        }
        let texts: Vec<String> = self.views().iter().map(text).collect();
        texts.join("\n")
    }
}

/// One migration: a line for each thing that is known, which ends with a line break.
fn text(view: &StatusView) -> String {
    let lines = status_lines(view).into_iter();
    lines
        .map(|(label, value)| output::labelled(label, &value) + "\n")
        .collect()
}
