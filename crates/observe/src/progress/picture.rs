//! What the events so far add up to.

use std::time::Duration;

use crossfade_plan::event::{Event, RowProgress, Wait};

use crate::quantity;

/// Where a command stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Picture {
    /// What the current step does, in a few words.
    pub(super) step: Option<String>,
    pub(super) rows: Option<RowProgress>,
    pub(super) wait: Option<Wait>,
    pub(super) steps_done: u64,
    pub(super) retries: u64,
    pub(super) row_errors: u64,
}

impl Picture {
    /// Takes in one event. Returns a line for those that a reader should see at once.
    pub(super) fn take(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::StepStarted { title, .. } => {
                self.step = Some(title.clone());
                self.rows = None;
                self.wait = None;
            }
            Event::StepFinished { .. } => {
                self.steps_done += 1;
                let title = self.step.take()?;
                return Some(format!("done: {title}"));
            }
            Event::Progress(rows) => self.rows = Some(*rows),
            Event::Waiting(wait) => {
                let is_news = self
                    .wait
                    .as_ref()
                    .is_none_or(|old| old.reason != wait.reason);
                self.wait = Some(wait.clone());
                return is_news.then(|| waiting_for(wait));
            }
            Event::Resumed => {
                let wait = self.wait.take()?;
                return Some(if wait.reason == PAUSED {
                    "going on after the pause".to_owned()
                } else {
                    format!("going on after waiting for {}", wait.reason)
                });
            }
            Event::Retry { .. } => self.retries += 1,
            Event::LockAttempt { attempt, granted } => {
                return Some(if *granted {
                    format!("locks granted at attempt {attempt}")
                } else {
                    format!("locks not granted at attempt {attempt}")
                });
            }
            Event::LocksReleased { held_us } => {
                return Some(format!(
                    "locks held for {}",
                    quantity::milliseconds(*held_us)
                ));
            }
            Event::Verdict {
                verdict,
                source_rows,
                target_rows,
                differences,
            } => {
                return Some(format!(
                    "verdict: {verdict}, {} rows against {}, {} differences",
                    quantity::count(*source_rows),
                    quantity::count(*target_rows),
                    quantity::count(*differences)
                ));
            }
            Event::RowError { key, sqlstate } => {
                self.row_errors += 1;
                return Some(format!(
                    "row ({}) cannot be copied: SQLSTATE {sqlstate}; recorded",
                    key.join(", ")
                ));
            }
            Event::Note { text } => return Some(text.clone()),
            Event::Warning { text } => return Some(format!("warning: {text}")),
        }
        None
    }

    /// Rows, rate and time left, as far as they are known.
    pub(super) fn rows_text(&self) -> Option<String> {
        let parts = self.rows_parts();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// As [`Self::rows_text`], one by one; the rows come first.
    pub(super) fn rows_parts(&self) -> Vec<String> {
        let Some(rows) = &self.rows else {
            return Vec::new();
        };
        let done = match (rows.rows_estimated, rows.ratio()) {
            (Some(estimated), Some(ratio)) => format!(
                "{} of about {} rows ({})",
                quantity::count(rows.rows_done),
                quantity::count(estimated),
                quantity::percent(ratio)
            ),
            _ => format!("{} rows", quantity::count(rows.rows_done)),
        };
        let rate = rows.rate.map(quantity::rate);
        let left = rows.eta_seconds.map(|seconds| {
            format!(
                "about {} left",
                quantity::duration(Duration::from_secs(seconds))
            )
        });
        std::iter::once(done).chain(rate).chain(left).collect()
    }

    /// How often something had to be done again, and what could not be done.
    pub(super) fn trouble_text(&self) -> Option<String> {
        let parts: Vec<String> = [("retries", self.retries), ("row errors", self.row_errors)]
            .into_iter()
            .filter(|(_, number)| *number > 0)
            .map(|(what, number)| format!("{what} {}", quantity::count(number)))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// What a throttle calls a pause that somebody has asked for: nothing to wait for by itself.
const PAUSED: &str = "paused";

/// The same as a sentence.
pub(crate) fn waiting_for(wait: &Wait) -> String {
    if wait.reason == PAUSED {
        "paused, until `crossfade resume`".to_owned()
    } else {
        format!("waiting for {}", wait_text(wait))
    }
}

/// `replica lag (max_replica_lag 2.1s, limit 1.5s)`.
pub(crate) fn wait_text(wait: &Wait) -> String {
    let Some(metric) = &wait.metric else {
        return wait.reason.clone();
    };
    let value = wait.value.as_deref().unwrap_or("unknown");
    match &wait.threshold {
        Some(threshold) => format!("{} ({metric} {value}, limit {threshold})", wait.reason),
        None => format!("{} ({metric} {value})", wait.reason),
    }
}
