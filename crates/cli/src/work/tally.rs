//! What the events of a command add up to, for its result.

use crossfade_observe::quantity;
use crossfade_plan::event::Event;
use serde::Serialize;

/// Figures of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Tally {
    /// Steps of the plan that were done.
    pub(crate) steps_done: u64,
    /// Attempts at locks that were not granted in time.
    pub(crate) locks_refused: u64,
    /// The longest that locks blocked the applications; `None` where none did.
    pub(crate) locks_held_ms: Option<f64>,
    /// The same as it was measured.
    #[serde(skip)]
    locks_held_us: Option<u64>,
    /// What somebody should look at.
    pub(crate) warnings: Vec<String>,
}

impl Tally {
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::StepFinished { .. } => self.steps_done += 1,
            Event::LockAttempt { granted: false, .. } => self.locks_refused += 1,
            Event::LocksReleased { held_us } => {
                let most = self
                    .locks_held_us
                    .map_or(*held_us, |most| most.max(*held_us));
                self.locks_held_us = Some(most);
                self.locks_held_ms = Some(milliseconds(most));
            }
            Event::Warning { text } => self.warnings.push(text.clone()),
            _ => {}
        }
    }

    /// In words, for those figures that tell something.
    pub(crate) fn text(&self) -> String {
        let steps = match self.steps_done {
            0 => None,
            1 => Some("1 step done".to_owned()),
            steps => Some(format!("{steps} steps done")),
        };
        let held = self
            .locks_held_us
            .map(|held| format!("locks held for {}", quantity::milliseconds(held)));
        let refused = match self.locks_refused {
            0 => None,
            1 => Some("locks not granted once before".to_owned()),
            times => Some(format!("locks not granted {times} times before")),
        };
        let parts: Vec<String> = [steps, held, refused].into_iter().flatten().collect();
        parts.join(", ")
    }
}

fn milliseconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use crossfade_plan::execution::StepId;

    use super::*;

    #[test]
    fn a_swap_is_told_by_its_locks() {
        let mut tally = Tally::default();
        assert_eq!(tally.text(), "");
        let attempt = |attempt| Event::LockAttempt {
            attempt,
            granted: false,
        };
        let step = StepId::new("swap");
        let events = [
            attempt(1),
            attempt(2),
            Event::LocksReleased { held_us: 3_210 },
            Event::LocksReleased { held_us: 1_000 },
            Event::StepFinished { step },
        ];
        for event in &events {
            tally.take(event);
        }
        assert_eq!(
            tally.text(),
            "1 step done, locks held for 3.3 ms, locks not granted 2 times before"
        );
    }
}
