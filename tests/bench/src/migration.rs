//! One migration of the measured table by the engine, and what it told with the times at which
//! it did.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossfade_engine::{
    Comparison, Engine, Expansion, Limits, Loss, StageEnd, VerifyEnd, VerifyRequest,
};
use crossfade_plan::Ident;
use crossfade_plan::event::{Event, EventSink};
use crossfade_plan::execution::{Action, StepId};
use crossfade_plan::file::PlanFile;
use crossfade_planner::PlannerSettings;
use crossfade_state::{Process, Store, Verdict};
use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::server::Server;

/// Where the state is kept.
const STATE_SCHEMA: &str = "crossfade";

type Heard = Arc<Mutex<Vec<(Instant, Event)>>>;

/// A migration, and the engine that carries it out.
#[derive(Debug)]
pub(crate) struct Migration {
    engine: Engine,
    plan: PlanFile,
    copy_step: StepId,
    heard: Heard,
}

/// How long a backfill took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackfillTimes {
    /// Its step of the plan that copies, closing pass included.
    pub(crate) copy: Duration,
    /// The whole command: lease, copy, closing, indexes, the wait for old snapshots.
    pub(crate) stage: Duration,
}

impl Migration {
    /// Plans it. Nothing is written yet but the state schema.
    pub(crate) async fn prepare(server: &Server, plan: PlanFile) -> Result<Self> {
        Self::prepare_with(server, plan, CancellationToken::new(), |_| {}).await
    }

    /// The same with an engine that `stop` asks to leave; `watch` hears each event first.
    pub(crate) async fn prepare_with(
        server: &Server,
        plan: PlanFile,
        stop: CancellationToken,
        watch: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Result<Self> {
        let schema = Ident::new(STATE_SCHEMA)?;
        let store = Store::open(server.migrator()?, schema.clone()).await?;
        let settings = PlannerSettings {
            state_schema: schema,
        };
        let expansion = Expansion::prepare(store.database(), &settings, &plan).await?;
        let mut steps = expansion.plan.steps.into_iter();
        let copy = steps.find(|step| step.action == Action::Backfill);
        let heard = Heard::default();
        let sink = EventSink::new({
            let heard = Arc::clone(&heard);
            move |event| {
                watch(&event);
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push((Instant::now(), event));
            }
        });
        let limits = Limits {
            // The disk is ours to fill.
            free_disk_bytes: Some(u64::MAX),
            ..Limits::default()
        };
        Ok(Self {
            engine: Engine::new(store, limits, Process::current(), sink, stop),
            plan,
            copy_step: copy.ok_or("the plan copies nothing")?.id,
            heard,
        })
    }

    /// Creates target and dual-write.
    pub(crate) async fn expand(&self) -> Result<()> {
        reached(self.engine.expand(&self.plan, None).await?)
    }

    /// Copies, and closes the copy.
    pub(crate) async fn backfill(&self) -> Result<BackfillTimes> {
        let first = self.heard_so_far();
        let started = Instant::now();
        reached(Box::pin(self.engine.backfill(&self.plan.name)).await?)?;
        let stage = started.elapsed();
        let began = self.first(first, |event| match event {
            Event::StepStarted { step, .. } => *step == self.copy_step,
            _ => false,
        });
        let ended = self.first(first, |event| match event {
            Event::StepFinished { step } => *step == self.copy_step,
            _ => false,
        });
        let (Some(began), Some(ended)) = (began, ended) else {
            return Err("the engine did not tell when it copied".into());
        };
        Ok(BackfillTimes {
            copy: ended - began,
            stage,
        })
    }

    /// Copies until its end or until it is told to stop. Returns whether it stopped, and the time
    /// until the first chunk was told of, if there was one.
    pub(crate) async fn backfill_some(&self) -> Result<(bool, Option<Duration>)> {
        let first = self.heard_so_far();
        let started = Instant::now();
        let end = Box::pin(self.engine.backfill(&self.plan.name)).await?;
        let chunk = self.first(first, |event| matches!(event, Event::Progress(_)));
        Ok((end == StageEnd::Stopped, chunk.map(|chunk| chunk - started)))
    }

    /// Compares every row, and returns how long that took.
    pub(crate) async fn verify(&self, rows: u32) -> Result<Duration> {
        let started = Instant::now();
        let read = self.verify_any().await?;
        let took = started.elapsed();
        if read != i64::from(rows) {
            return Err(format!("{read} rows were compared instead of {rows}").into());
        }
        Ok(took)
    }

    /// The same while the number of rows changes; returns how many were compared.
    pub(crate) async fn verify_any(&self) -> Result<i64> {
        let request = VerifyRequest {
            comparison: Comparison::Full,
            seed: 1,
        };
        match Box::pin(self.engine.verify(&self.plan.name, request)).await? {
            VerifyEnd::Done { report, .. } if report.verdict == Verdict::Exact => {
                Ok(report.source_rows)
            }
            end => Err(format!("the verification did not end well: {end:?}").into()),
        }
    }

    /// Swaps the tables.
    pub(crate) async fn cutover(&self) -> Result<()> {
        reached(Box::pin(self.engine.cutover(&self.plan.name)).await?)
    }

    /// Undoes everything.
    pub(crate) async fn rollback(&self) -> Result<()> {
        reached(Box::pin(self.engine.rollback(&self.plan.name, Loss::Refused)).await?)
    }

    /// How many events there were so far.
    pub(crate) fn heard_so_far(&self) -> usize {
        self.heard().len()
    }

    /// The events from that one on.
    pub(crate) fn events_since(&self, first: usize) -> Vec<Event> {
        let heard = self.heard();
        heard
            .iter()
            .skip(first)
            .map(|(_, event)| event.clone())
            .collect()
    }

    /// When the first such event came, from that one on.
    fn first(&self, first: usize, wanted: impl Fn(&Event) -> bool) -> Option<Instant> {
        let heard = self.heard();
        let found = heard.iter().skip(first).find(|(_, event)| wanted(event));
        found.map(|(at, _)| *at)
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Event)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reached(end: StageEnd) -> Result<()> {
    match end {
        StageEnd::Reached { already: false } => Ok(()),
        end => Err(format!("the stage did not end well: {end:?}").into()),
    }
}
