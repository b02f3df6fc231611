//! A run: its server, its samples, and the order of its parts.

use std::io::Write as _;

use crate::arguments::{Arguments, Part};
use crate::recorder::{Recorder, Subject};
use crate::server::Server;
use crate::table::{self, TABLE};
use crate::{Result, copy, cutover, dual_write, resume};

/// A run.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Where it runs.
    pub(crate) server: Server,
    /// What was measured.
    pub(crate) recorder: Recorder,
    /// Bytes of a row, by the size of the table.
    pub(crate) row_bytes: Vec<(u32, f64)>,
    arguments: Arguments,
}

impl Bench {
    /// Starts the server and measures everything that is asked for.
    pub(crate) async fn run(arguments: Arguments) -> Result<Self> {
        let mut bench = Self {
            server: Server::start().await?,
            recorder: Recorder::default(),
            row_bytes: Vec::new(),
            arguments,
        };
        for rows in bench.arguments.rows() {
            Box::pin(bench.sized_parts(rows)).await?;
        }
        Box::pin(bench.loaded_parts()).await?;
        Ok(bench)
    }

    /// What it was asked.
    pub(crate) fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// Whether a part is asked for.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.arguments.wants(part)
    }

    /// Adds a sample of each measure, and tells it.
    pub(crate) fn record(&mut self, subject: Subject, measures: &[(&'static str, f64)]) {
        self.recorder.add(subject, measures);
        let told: Vec<String> = measures
            .iter()
            .map(|(name, value)| format!("{name} {value:.3}"))
            .collect();
        let Subject {
            part,
            rows,
            contender,
        } = subject;
        tell(&format!(
            "{}, {rows} rows, {contender}: {}",
            part.title(),
            told.join(", ")
        ));
    }

    /// The parts whose cost depends on the size of the table.
    async fn sized_parts(&mut self, rows: u32) -> Result<()> {
        let sized = [Part::Copy, Part::Chunk, Part::Verify, Part::Resume];
        if !sized.iter().any(|part| self.wants(*part)) {
            return Ok(());
        }
        tell(&format!("loading {rows} rows"));
        table::create(&self.server, rows).await?;
        let bytes = table::row_bytes(&self.server).await?;
        self.row_bytes.push((rows, bytes));
        for repetition in 0..self.arguments.repeat() {
            copy::key_only(self, rows, repetition).await?;
            if self.wants(Part::Resume) {
                resume::run(self, rows).await?;
            }
        }
        if self.wants(Part::Copy) {
            table::build_indexes(&self.server, TABLE).await?;
            for repetition in 0..self.arguments.repeat() {
                copy::indexed(self, rows, repetition).await?;
            }
        }
        table::remove(&self.server).await
    }

    /// The parts that are about an application at work.
    async fn loaded_parts(&mut self) -> Result<()> {
        if self.wants(Part::DualWrite) {
            table::create(&self.server, self.arguments.loaded_rows()).await?;
            for _ in 0..self.arguments.repeat() {
                dual_write::run(self).await?;
            }
            table::remove(&self.server).await?;
        }
        if self.wants(Part::Cutover) {
            table::create(&self.server, self.arguments.swapped_rows()).await?;
            cutover::run(self).await?;
            table::remove(&self.server).await?;
        }
        Ok(())
    }
}

/// Tells what happens, on standard error.
pub(crate) fn tell(text: &str) {
    // Nobody listens: no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}
