//! A stage command at work: the engine with its connections, what is told meanwhile, signals and
//! the end of the window.

mod arguments;
mod confirm;
mod outcome;
mod subject;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};

use crossfade_engine::{Engine, EngineError, Limits};
use crossfade_observe::progress::{Audience, Reporter};
use crossfade_observe::status::{StatusView, read_status};
use crossfade_plan::MigrationName;
use crossfade_plan::event::{Event, EventSink};
use crossfade_state::{Process, Store};
use crossfade_throttle::Deadline;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::arguments::Format;
use crate::error::{Code, Failure, engine_failure};
use crate::patience::Patience;
use crate::settings::Settings;
use crate::{connection, migration, signals, state};

pub(crate) use arguments::{
    ConfirmArguments, ExpandArguments, LimitArguments, PreflightArguments, WindowArguments,
    parse_duration, parse_lease_ttl,
};
pub(crate) use confirm::confirm;
pub(crate) use outcome::{End, Outcome, Printer};
pub(crate) use subject::Subject;
pub(crate) use tally::Tally;

/// Connections that a stage needs beside its workers: heartbeat, control, lag, journal, the
/// stage itself, and one that looks who is in the way.
const BESIDE_WORKERS: usize = 6;

/// What a stage command is to do it with.
pub(crate) struct Order<'a> {
    /// The command's name.
    pub(crate) command: &'static str,
    /// How its result is printed.
    pub(crate) printer: Printer,
    /// What it may wait for, and what is accepted.
    pub(crate) limits: Limits,
    /// When it has to end.
    pub(crate) window: Option<&'a WindowArguments>,
}

/// Where the engine's events go: to the reporter for as long as it listens, and into the tally.
#[derive(Debug, Clone, Default)]
struct Ears {
    reporter: Arc<Mutex<Option<UnboundedSender<Event>>>>,
    tally: Arc<Mutex<Tally>>,
}

/// A stage command at work.
pub(crate) struct Work {
    /// Carries the stages out.
    pub(crate) engine: Engine,
    store: Store,
    patience: Patience,
    command: &'static str,
    printer: Printer,
    ears: Ears,
    reporter: Option<JoinHandle<()>>,
}

/// What a stage command has come to.
pub(crate) struct Ended<T> {
    /// How the stage ended; `None` if it was told to stop before it could begin.
    pub(crate) end: Option<T>,
    /// What the events add up to.
    pub(crate) tally: Tally,
    /// Where the migration stands now.
    pub(crate) view: StatusView,
    /// The state, for what else is to be read.
    pub(crate) store: Store,
    /// How long that is tried.
    pub(crate) patience: Patience,
}

impl Work {
    /// Connects, makes or upgrades the state schema, and listens for signals.
    pub(crate) async fn start(
        settings: &Settings,
        subject: &Subject,
        order: Order<'_>,
    ) -> Result<Self, Failure> {
        let stop = signals::listen()?;
        let connections = subject.workers() + BESIDE_WORKERS;
        let name = &subject.name;
        let database = connection::database(settings, Some(name), order.command, connections)?;
        let patience = Patience::later(order.limits.max_wait, stop.clone());
        if let Some(window) = order.window {
            let deadline = patience
                .keep_trying(async || window.deadline(&database).await)
                .await?;
            tokio::spawn(stop_at(deadline, stop.clone()));
        }
        let schema = &settings.state_schema;
        let store = patience
            .keep_trying(async || Ok(Store::open(database.clone(), schema.clone()).await?))
            .await?;
        let ears = Ears::default();
        let reporter = order.printer.audience().map(|audience| {
            let (sender, events) = unbounded_channel();
            *ears.reporter.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
            tokio::spawn(Reporter::new(audience, order.command, name.as_str()).run(events))
        });
        let engine = Engine::new(
            store.clone(),
            order.limits,
            Process::current(),
            ears.sink(),
            stop,
        );
        Ok(Self {
            engine,
            store,
            patience,
            command: order.command,
            printer: order.printer,
            ears,
            reporter,
        })
    }

    /// Lets the reporter come to its end, and looks where the migration stands.
    pub(crate) async fn end<T>(
        mut self,
        end: Result<T, EngineError>,
        subject: &Subject,
    ) -> Result<Ended<T>, Failure> {
        let tally = self.ears.close();
        if let Some(reporter) = self.reporter.take() {
            // It only draws: what it could not draw is no reason to fail.
            drop(reporter.await);
        }
        let end = match end {
            Ok(end) => Some(end),
            Err(EngineError::StoppedBeforeLease) => None,
            Err(error) => {
                let failure = engine_failure(error, subject, self.command);
                self.printer.failed(self.command, &subject.name, &failure)?;
                return Err(failure);
            }
        };
        let look = async || self.view(&subject.name).await;
        let view = self.patience.keep_trying(look).await?;
        Ok(Ended {
            end,
            tally,
            view,
            store: self.store,
            patience: self.patience,
        })
    }

    async fn view(&self, name: &MigrationName) -> Result<StatusView, Failure> {
        let snapshot = state::snapshot(&self.store, self.command).await?;
        let record = migration::find(&self.store, &snapshot, name).await?;
        let view = read_status(&self.store, &snapshot, &record).await?;
        snapshot.rollback().await?;
        Ok(view)
    }
}

impl Ears {
    fn sink(&self) -> EventSink {
        let ears = self.clone();
        EventSink::new(move |event| {
            let mut tally = ears.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.take(&event);
            drop(tally);
            let reporter = ears.reporter.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(reporter) = &*reporter {
                drop(reporter.send(event));
            }
        })
    }

    /// From now on nobody listens, whoever still holds the sink.
    fn close(&self) -> Tally {
        let mut reporter = self.reporter.lock().unwrap_or_else(PoisonError::into_inner);
        reporter.take();
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.clone()
    }
}

async fn stop_at(deadline: Deadline, stop: CancellationToken) {
    deadline.reached().await;
    tracing::info!("the window is over; stopping");
    stop.cancel();
}

impl Printer {
    /// Who reads the events while the command runs.
    fn audience(self) -> Option<Audience> {
        match self {
            Self::Object(Format::Json) => None,
            Self::Lines(Format::Json) => Some(Audience::Program),
            Self::Object(Format::Text) | Self::Lines(Format::Text) => Some(Audience::of_stderr()),
        }
    }
}

/// A time that cannot be found out.
pub(crate) fn deadline_failure(error: crossfade_throttle::DeadlineError) -> Failure {
    use crossfade_throttle::DeadlineError;
    match error {
        DeadlineError::Connect(error) => error.into(),
        DeadlineError::Query(error) => error.into(),
        error @ DeadlineError::Calendar(_) => Failure::of(Code::CommandLine, &error),
    }
}
