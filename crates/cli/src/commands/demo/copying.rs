//! Watches a run of the program: how far its copy is, and how long that took.

use std::time::{Duration, Instant};

use crossfade_observe::quantity;
use crossfade_plan::event::{Event, RowProgress};
use crossfade_sandbox::workload::{Running, WorkloadReport};

use crate::error::Failure;

use super::measure::Pace;
use super::narrator::Narrator;

/// The step that copies the rows.
const COPY: &str = "backfill";

/// How often progress is said.
const EVERY: Duration = Duration::from_millis(1500);

/// The copy of all runs so far.
#[derive(Debug)]
pub(super) struct Copying<'a> {
    narrator: &'a Narrator,
    workload: &'a Running,
    begun: Option<Begun>,
    /// When progress was last said, and what the application had done by then.
    said: (Instant, WorkloadReport),
    seconds: f64,
    commits: u64,
    pub(super) rows: Option<RowProgress>,
}

#[derive(Debug)]
struct Begun {
    at: Instant,
    application: WorkloadReport,
}

impl<'a> Copying<'a> {
    pub(super) fn new(narrator: &'a Narrator, workload: &'a Running) -> Self {
        Self {
            narrator,
            workload,
            begun: None,
            said: (Instant::now(), workload.snapshot()),
            seconds: 0.0,
            commits: 0,
            rows: None,
        }
    }

    /// Takes in what a run tells, and says what is worth it.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::StepStarted { step, .. } if step.as_str() == COPY => {
                self.begun = Some(Begun {
                    at: Instant::now(),
                    application: self.workload.snapshot(),
                });
                self.said = (Instant::now(), self.workload.snapshot());
            }
            Event::StepFinished { step } if step.as_str() == COPY => {
                self.narrator
                    .say("All rows are copied. Indexes and constraints follow.")?;
                self.end();
            }
            Event::Progress(rows) if self.begun.is_some() => {
                self.rows = Some(*rows);
                if self.said.0.elapsed() >= EVERY {
                    self.say_progress(rows)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// How much of the copy is done, between 0 and 1.
    pub(super) fn ratio(&self) -> f64 {
        self.rows.and_then(|rows| rows.ratio()).unwrap_or(0.0)
    }

    /// The run has ended, in whatever way.
    pub(super) fn end(&mut self) {
        if let Some(begun) = self.begun.take() {
            let pace = Pace::between(&begun.application, &self.workload.snapshot());
            self.seconds += begun.at.elapsed().as_secs_f64();
            self.commits += pace.commits;
        }
    }

    /// Seconds in which rows were copied.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// What the application did in these seconds.
    pub(super) fn application(&self) -> Pace {
        Pace {
            commits: self.commits,
            seconds: self.seconds,
        }
    }

    fn say_progress(&mut self, rows: &RowProgress) -> Result<(), Failure> {
        let estimated = rows.rows_estimated.unwrap_or(rows.rows_done);
        let now = self.workload.snapshot();
        let pace = Pace::between(&self.said.1, &now);
        self.narrator.say(&format!(
            "{} of about {} rows are copied. The application: {} transactions/s, {} failed.",
            quantity::count(rows.rows_done),
            quantity::count(estimated),
            quantity::count(pace.per_second()),
            quantity::count(now.failures_total)
        ))?;
        self.said = (Instant::now(), now);
        Ok(())
    }
}
