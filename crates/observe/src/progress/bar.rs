//! For a terminal: a bar with rows, rate, time left and the reason of a wait.

use std::time::Duration;

use crossfade_plan::event::Event;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::picture::{Picture, waiting_for};

/// A bar for a step whose rows can be estimated, and a spinner for any other.
///
/// The message is not cut to the width, as `wide_msg` would be: half a number is a wrong one.
const BAR: &str = "{spinner} {prefix} [{wide_bar}]\n  {msg}";
const SPINNER: &str = "{spinner} {prefix}\n  {msg}";

const TICK: Duration = Duration::from_millis(200);

/// Draws the bar.
#[derive(Debug)]
pub(super) struct Bar {
    drawn: ProgressBar,
    picture: Picture,
    measured: bool,
}

impl Bar {
    /// A bar on `target`; `head` says what the command does.
    pub(super) fn new(target: ProgressDrawTarget, head: String) -> Self {
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style(SPINNER))
            .with_prefix(head);
        bar.enable_steady_tick(TICK);
        Self {
            drawn: bar,
            picture: Picture::default(),
            measured: false,
        }
    }

    pub(super) fn take(&mut self, event: &Event) {
        if let Some(line) = self.picture.take(event) {
            self.drawn.println(line);
        }
        let rows = self.picture.rows.as_ref();
        match rows.and_then(|rows| Some((rows, rows.rows_estimated?))) {
            Some((rows, estimated)) => {
                if !self.measured {
                    self.drawn.set_style(style(BAR));
                    self.measured = true;
                }
                self.drawn.set_length(estimated.max(rows.rows_done));
                self.drawn.set_position(rows.rows_done);
            }
            None if self.measured => {
                self.drawn.set_style(style(SPINNER));
                self.measured = false;
            }
            None => {}
        }
        self.drawn.set_message(message(&self.picture));
    }

    /// Takes the bar away: what is left to say comes as text.
    pub(super) fn finish(&self) {
        self.drawn.finish_and_clear();
    }
}

fn message(picture: &Picture) -> String {
    if let Some(wait) = &picture.wait {
        return waiting_for(wait);
    }
    match picture.rows_parts().split_first() {
        Some((done, [])) => done.clone(),
        // Each line is short enough for a narrow terminal.
        Some((done, pace)) => format!("{done}\n  {}", pace.join(", ")),
        None => picture.step.clone().unwrap_or_default(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("our templates are valid")
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::progress::example::copying;

    #[test]
    fn a_terminal_gets_a_bar_that_says_why_it_stands_still() {
        let term = InMemoryTerm::new(10, 78);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let mut bar = Bar::new(target, "orders: backfill".to_owned());
        let events = copying();
        for event in &events[..2] {
            bar.take(event);
        }
        bar.drawn.tick();
        let copying = term.contents();
        for event in &events[2..] {
            bar.take(event);
        }
        bar.drawn.tick();
        insta::assert_snapshot!(format!("{copying}\n---\n{}", term.contents()), @"
        ⠁ orders: backfill [==============>                                          ]
          12,000 of about 48,000 rows (25.0 %)
          1,500 rows/s, about 24s left
        ---
        row (7) cannot be copied: SQLSTATE 22003; recorded
        waiting for replica lag (max_replica_lag unknown, limit 1500ms)
        ⠁ orders: backfill [==============>                                          ]
          waiting for replica lag (max_replica_lag unknown, limit 1500ms)
        ");
        bar.finish();
        assert!(!term.contents().contains('['), "{}", term.contents());
    }
}
