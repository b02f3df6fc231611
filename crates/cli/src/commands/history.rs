//! `crossfade history`: what happened to a migration, and who did it.

use clap::Args;
use crossfade_postgres::Queries;
use crossfade_state::{MigrationId, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output;
use crate::settings::Settings;
use crate::{migration, state};

/// Events that are read at a time.
const PAGE: u32 = 1000;

/// Recorded every second while rows are copied, for `status`: no history.
const PROGRESS: &str = "progress";

/// Columns that an event's text should have at least.
const NARROWEST_TEXT: usize = 24;

/// Of a process, in the names of actors.
const UUID_LENGTH: usize = 36;

/// Whose history.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Serialize)]
struct Printed<'a> {
    name: &'a str,
    events: Vec<Happened>,
}

#[derive(Serialize)]
struct Happened {
    at: Timestamp,
    kind: String,
    actor: String,
    data: Value,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let name = migration::name(&arguments.migration)?;
    let events = match state::for_reading(settings, "history").await? {
        Some(store) => {
            let snapshot = state::snapshot(&store, "history").await?;
            let record = migration::find(&store, &snapshot, &name).await?;
            let events = all(&store, &snapshot, record.id).await?;
            snapshot.rollback().await?;
            events
        }
        None => Vec::new(),
    };
    let printed = Printed {
        name: name.as_str(),
        events,
    };
    arguments
        .format
        .print("history", &printed, || text(&printed.events))?;
    Ok(Exit::Done)
}

/// The events, with what people changed among them, the oldest first.
async fn all(store: &Store, on: &impl Queries, id: MigrationId) -> Result<Vec<Happened>, Failure> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let page = store.events(on, id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let news = page.into_iter().filter(|event| event.kind != PROGRESS);
        all.extend(news.map(|event| Happened {
            at: event.at,
            kind: event.kind,
            actor: event.actor,
            data: event.data,
        }));
    }
    for change in store.control_changes(on, id).await? {
        let mut data = Map::new();
        for (key, value) in [("old", change.old_value), ("new", change.new_value)] {
            if let Some(value) = value {
                data.insert(key.to_owned(), value);
            }
        }
        all.push(Happened {
            at: change.at,
            kind: change.action,
            actor: change.actor,
            data: Value::Object(data),
        });
    }
    all.sort_by_key(|happened| happened.at);
    Ok(all)
}

/// The events, below a line for whoever did them.
fn text(events: &[Happened]) -> String {
    if events.is_empty() {
        return "No events.".to_owned();
    }
    let kinds = events.iter().map(|event| event.kind.chars().count());
    let kind_width = kinds.max().unwrap_or(0);
    let mut lines = vec!["Times are UTC.".to_owned()];
    let mut by = None;
    for event in events {
        let who = who(&event.actor);
        if by != Some(who) {
            lines.push(output::filled("by ", 3, who));
            by = Some(who);
        }
        lines.push(line(event, kind_width));
    }
    lines.join("\n")
}

/// One event. Where there is little room beside its kind, what happened goes below.
fn line(event: &Happened, kind_width: usize) -> String {
    let at = event.at.strftime("%Y-%m-%d %H:%M:%S");
    let what = what(event);
    let head = format!("  {at}  {:<kind_width$}  ", event.kind);
    let indent = head.chars().count();
    if indent + NARROWEST_TEXT <= usize::from(output::terminal_width()) {
        output::filled(&head, indent, &what).trim_end().to_owned()
    } else {
        let below = "    ";
        format!(
            "{}\n{}",
            head.trim_end(),
            output::filled(below, below.len(), &what)
        )
        .trim_end()
        .to_owned()
    }
}

/// `role host/pid` out of `role host/pid/uuid`: the last part is for programs.
fn who(actor: &str) -> &str {
    match actor.rsplit_once('/') {
        Some((who, uuid)) if uuid.len() == UUID_LENGTH => who,
        _ => actor,
    }
}

/// `stage=expanded, rows=3`: the values as they are now; objects keep their JSON.
fn what(event: &Happened) -> String {
    let Value::Object(fields) = &event.data else {
        return event.data.to_string();
    };
    // A step's title says it all; the end of the step has only its name.
    if let (Some(Value::String(step)), Some(Value::String(title))) =
        (fields.get("step"), fields.get("title"))
    {
        return format!("{step}: {title}");
    }
    let new = fields.get("new").and_then(Value::as_object);
    let old = |key: &str| fields.contains_key("new") && key == "old";
    let rest = fields.iter().filter(|(key, _)| *key != "new" && !old(key));
    let shown = rest
        .chain(new.into_iter().flatten())
        .map(|(key, value)| match value {
            Value::String(text) if key == "fingerprint" => {
                format!("{key}={}", text.get(..12).unwrap_or(text))
            }
            Value::String(text) => format!("{key}={text}"),
            value => format!("{key}={value}"),
        });
    shown.collect::<Vec<_>>().join(", ")
}
