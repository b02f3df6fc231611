//! Consumes the events of a command until there are no more.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crossfade_plan::event::Event;
use indicatif::ProgressDrawTarget;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use super::bar::Bar;
use super::block::Blocks;
use super::line::EventLines;

/// How often a block is written where there is no terminal.
const BLOCK_EVERY: Duration = Duration::from_secs(30);

/// Who reads the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A person at a terminal: a bar on standard error.
    Terminal,
    /// A log: blocks on standard error.
    Log,
    /// A program: JSON lines on standard output.
    Program,
}

impl Audience {
    /// Who reads, where no program asked for JSON.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Terminal
        } else {
            Self::Log
        }
    }
}

/// Shows events. Work never waits for it: what cannot be written is dropped.
#[derive(Debug)]
pub struct Reporter(Sink);

enum Sink {
    Bar(Bar),
    Blocks(Blocks<Box<dyn Write + Send>>),
    Lines(EventLines<Box<dyn Write + Send>>),
}

impl Reporter {
    /// A reporter of `command`; `subject` is the migration's name.
    pub fn new(audience: Audience, command: &str, subject: &str) -> Self {
        let head = format!("{subject}: {command}");
        Self(match audience {
            Audience::Terminal => Sink::Bar(Bar::new(ProgressDrawTarget::stderr(), head)),
            Audience::Log => Sink::Blocks(Blocks::new(Box::new(io::stderr()), head)),
            Audience::Program => Sink::Lines(EventLines::new(Box::new(io::stdout()), command)),
        })
    }

    /// Shows events until the last sender is gone. The result of the command is printed after it.
    pub async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        let mut clock = interval_at(Instant::now() + BLOCK_EVERY, BLOCK_EVERY);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.take(&event),
                    None => break,
                },
                _ = clock.tick() => self.block(),
            }
        }
        match &self.0 {
            Sink::Bar(bar) => bar.finish(),
            _ => self.block(),
        }
    }

    fn take(&mut self, event: &Event) {
        let written = match &mut self.0 {
            Sink::Bar(bar) => {
                bar.take(event);
                Ok(())
            }
            Sink::Blocks(blocks) => blocks.take(event),
            Sink::Lines(lines) => lines.event(event),
        };
        drop(written);
    }

    fn block(&mut self) {
        if let Sink::Blocks(blocks) = &mut self.0 {
            drop(blocks.block());
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bar(_) => "Bar",
            Self::Blocks(_) => "Blocks",
            Self::Lines(_) => "Lines",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use crossfade_plan::execution::StepId;

    use super::*;
    use crate::progress::example::copying;

    /// What is written, for the test to read.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while writing").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            let bytes = self.0.lock().expect("no panic while writing").clone();
            String::from_utf8(bytes).expect("UTF-8")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_log_gets_blocks_every_half_minute_and_at_the_end() {
        let page = Page::default();
        let blocks = Blocks::new(
            Box::new(page.clone()) as Box<_>,
            "orders: backfill".to_owned(),
        );
        let (events, receiver) = mpsc::unbounded_channel();
        let report = tokio::spawn(Reporter(Sink::Blocks(blocks)).run(receiver));
        for event in copying() {
            events.send(event).expect("the reporter lives");
        }
        // The clock of the test stands still until everybody waits: one block is due by then.
        tokio::time::sleep(BLOCK_EVERY + Duration::from_secs(1)).await;
        events.send(Event::Resumed).expect("the reporter lives");
        let step = StepId::new("backfill");
        events
            .send(Event::StepFinished { step })
            .expect("the reporter lives");
        drop(events);
        report.await.expect("no panic");
        insta::assert_snapshot!(page.text(), @"
        orders: backfill: row (7) cannot be copied: SQLSTATE 22003; recorded
        orders: backfill: waiting for replica lag (max_replica_lag unknown, limit 1500ms)
        orders: backfill
          step        copy the rows
          rows        12,000 of about 48,000 rows (25.0 %), 1,500 rows/s, about 24s left
          waiting     replica lag (max_replica_lag unknown, limit 1500ms)
          trouble     row errors 1
        orders: backfill: going on after waiting for replica lag
        orders: backfill: done: copy the rows
        orders: backfill
          steps done  1
          rows        12,000 of about 48,000 rows (25.0 %), 1,500 rows/s, about 24s left
          trouble     row errors 1
        ");
    }
}
