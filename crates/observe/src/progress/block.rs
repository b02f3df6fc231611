//! For readers without a terminal, such as the log of a scheduler: what matters at once, and a
//! block of all that is known every half minute and at the end.

use std::io::{self, Write};

use crossfade_plan::event::Event;

use super::picture::{Picture, wait_text};

/// Writes blocks.
#[derive(Debug)]
pub(super) struct Blocks<W> {
    out: W,
    /// What the command does, for the head of each block: `orders_id: backfill`.
    head: String,
    picture: Picture,
}

impl<W: Write> Blocks<W> {
    pub(super) fn new(out: W, head: String) -> Self {
        Self {
            out,
            head,
            picture: Picture::default(),
        }
    }

    pub(super) fn take(&mut self, event: &Event) -> io::Result<()> {
        match self.picture.take(event) {
            Some(line) => writeln!(self.out, "{}: {line}", self.head),
            None => Ok(()),
        }
    }

    pub(super) fn block(&mut self) -> io::Result<()> {
        let Picture {
            step,
            wait,
            steps_done,
            ..
        } = &self.picture;
        let lines = [
            (
                "steps done",
                (*steps_done > 0).then(|| steps_done.to_string()),
            ),
            ("step", step.clone()),
            ("rows", self.picture.rows_text()),
            ("waiting", wait.as_ref().map(wait_text)),
            ("trouble", self.picture.trouble_text()),
        ];
        let known = lines
            .into_iter()
            .filter_map(|(label, value)| Some((label, value?)));
        let known: Vec<_> = known.collect();
        // That alone is what the command's result says too.
        if matches!(known.as_slice(), [("steps done", _)]) {
            return Ok(());
        }
        let mut head = Some(&self.head);
        for (label, value) in known {
            if let Some(head) = head.take() {
                writeln!(self.out, "{head}")?;
            }
            writeln!(self.out, "  {label:<12}{value}")?;
        }
        self.out.flush()
    }
}
