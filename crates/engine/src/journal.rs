//! The journal: what happens to a migration, into its `event` table, for `status` and `history`.
//!
//! The work never waits for it: what cannot be written in time is dropped.

use std::time::Duration;

use crossfade_plan::event::{Event, EventSink, RowProgress};
use crossfade_state::{Actor, MigrationId, NewEvent, StateError, Store};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// How often the progress of rows is written.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// More events than this wait for a server that does not answer; later ones are dropped.
const WAITING_EVENTS: usize = 256;
/// How long one event may take.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Writes the events of one migration until it is closed.
#[derive(Debug)]
pub(crate) struct Journal {
    closing: CancellationToken,
    task: JoinHandle<()>,
}

impl Journal {
    /// Begins a journal, and returns the engine that writes into it: its events go where those of
    /// `engine` go, and into the journal.
    pub(crate) fn open(engine: &Engine, migration: MigrationId) -> (Self, Engine) {
        let (rare, rare_events) = mpsc::channel(WAITING_EVENTS);
        let (progress, latest) = watch::channel(None);
        let outer = engine.events.clone();
        let events = EventSink::new(move |event| {
            match &event {
                Event::Progress(rows) => {
                    progress.send_replace(Some(*rows));
                }
                event if is_kept(event) => drop(rare.try_send(event.clone())),
                _ => {}
            }
            outer.emit(event);
        });
        let closing = CancellationToken::new();
        let writer = Writer {
            store: engine.store.clone(),
            actor: engine.actor.clone(),
            migration,
        };
        let task = tokio::spawn(writer.run(rare_events, latest, closing.clone()));
        let engine = Engine {
            events,
            ..engine.clone()
        };
        (Self { closing, task }, engine)
    }

    /// Writes what is left.
    pub(crate) async fn close(self) {
        self.closing.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(error = %error, "the journal ended early");
        }
    }
}

/// What is worth a row. Retries are too many, and a row that cannot be copied has a table of its
/// own: its key is a value, and no event holds one.
fn is_kept(event: &Event) -> bool {
    !matches!(event, Event::Retry { .. } | Event::RowError { .. })
}

#[derive(Debug)]
struct Writer {
    store: Store,
    actor: Actor,
    migration: MigrationId,
}

impl Writer {
    async fn run(
        self,
        mut rare: mpsc::Receiver<Event>,
        mut progress: watch::Receiver<Option<RowProgress>>,
        closing: CancellationToken,
    ) {
        let mut due = Instant::now();
        let mut closed = false;
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled(), if !closed => {
                    closed = true;
                    rare.close();
                }
                event = rare.recv() => match event {
                    Some(event) => {
                        // One that cannot be written tells that the next ones cannot either.
                        if !self.write(&event).await && closed {
                            return;
                        }
                    }
                    None => break,
                },
                rows = changed(&mut progress, due) => {
                    self.write(&Event::Progress(rows)).await;
                    due = Instant::now() + PROGRESS_EVERY;
                }
            }
        }
        if let Some(rows) = unseen(&mut progress) {
            self.write(&Event::Progress(rows)).await;
        }
    }

    async fn write(&self, event: &Event) -> bool {
        match timeout(WRITE_LIMIT, self.append(event)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "an event was not recorded");
                false
            }
            Err(_) => {
                tracing::debug!("an event was not recorded in time");
                false
            }
        }
    }

    /// The type of the event is its kind, the rest of it the data: `status` reads it so.
    async fn append(&self, event: &Event) -> Result<(), StateError> {
        let Ok(Value::Object(mut data)) = serde_json::to_value(event) else {
            unreachable!("events are JSON objects")
        };
        let Some(Value::String(kind)) = data.remove("type") else {
            unreachable!("events are tagged by their type")
        };
        let session = self.store.session("journal").await?;
        let new = NewEvent {
            kind: &kind,
            actor: &self.actor,
            data: Value::Object(data),
        };
        self.store.append_event(&session, self.migration, new).await
    }
}

/// The latest progress that was not written, at `due` at the earliest.
async fn changed(progress: &mut watch::Receiver<Option<RowProgress>>, due: Instant) -> RowProgress {
    loop {
        if progress.changed().await.is_err() {
            // Nobody can tell any more: the other end of the journal ends it.
            std::future::pending::<()>().await;
        }
        progress.mark_changed();
        sleep_until(due).await;
        if let Some(rows) = unseen(progress) {
            return rows;
        }
    }
}

fn unseen(progress: &mut watch::Receiver<Option<RowProgress>>) -> Option<RowProgress> {
    if !progress.has_changed().unwrap_or(true) {
        return None;
    }
    *progress.borrow_and_update()
}
