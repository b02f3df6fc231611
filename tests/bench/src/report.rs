//! The results: tables for people, JSON for whoever compares runs.

use std::io::Write;
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Result;
use crate::arguments::Part;
use crate::bars::{Bar, Growth, bars, growth};
use crate::bench::Bench;
use crate::copy::{self, ONE_INSERT};
use crate::dual_write::{self, NONE};
use crate::recorder::Line;
use crate::verify::JOIN;

/// Version of the JSON.
const FORMAT: u32 = 1;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Report {
    at: Timestamp,
    server: String,
    settings: Vec<(String, String)>,
    processors: usize,
    bars: Vec<Bar>,
    growth: Vec<Growth>,
}

impl Report {
    /// Derives ratios and bars from what was measured.
    pub(crate) async fn of(bench: &mut Bench) -> Result<Self> {
        let recorder = &mut bench.recorder;
        recorder.add_ratios(Part::Copy, copy::RATE, ONE_INSERT, "of one INSERT");
        recorder.add_ratios(Part::Verify, copy::RATE, JOIN, "of one join");
        recorder.add_ratios(Part::DualWrite, dual_write::RATE, NONE, "of none");
        let arguments = bench.arguments();
        let sizes = arguments.rows();
        Ok(Self {
            at: Timestamp::now(),
            server: bench
                .server
                .text("select pg_catalog.current_setting('server_version')")
                .await?,
            settings: bench.server.settings().await?,
            processors: std::thread::available_parallelism()?.get(),
            bars: bars(
                &bench.recorder,
                &sizes,
                arguments.loaded_rows(),
                arguments.swapped_rows(),
            ),
            growth: growth(&bench.recorder, &sizes),
        })
    }

    /// Writes the tables.
    pub(crate) fn print(&self, bench: &Bench, out: &mut impl Write) -> Result<()> {
        let arguments = bench.arguments();
        writeln!(
            out,
            "PostgreSQL {}, {} processors, medians of {} repetitions",
            self.server,
            self.processors,
            arguments.repeat()
        )?;
        for (rows, bytes) in &bench.row_bytes {
            writeln!(out, "{rows} rows of {bytes:.0} bytes on average")?;
        }
        let lines = bench.recorder.lines();
        for group in lines.chunk_by(|a, b| (a.part, a.rows) == (b.part, b.rows)) {
            if let Some(first) = group.first() {
                writeln!(out, "\n{}, {} rows", first.part.title(), first.rows)?;
                writeln!(out, "{}", table_of(group).trim_fmt())?;
            }
        }
        if !self.growth.is_empty() {
            writeln!(out, "\nCost of a row as the table grows")?;
            let mut table = new_table(&["", "contender", "table", "cost"]);
            for growth in &self.growth {
                table.add_row([
                    growth.part.title().to_owned(),
                    growth.contender.to_owned(),
                    format!("x {}", figure(growth.table)),
                    format!("x {}", figure(growth.cost)),
                ]);
            }
            writeln!(out, "{}", table.trim_fmt())?;
        }
        writeln!(out, "\nBars")?;
        if arguments.quick {
            writeln!(
                out,
                "(a quick run measures nothing: the tables are too small)"
            )?;
        }
        for bar in &self.bars {
            let met = if bar.met { "met" } else { "NOT MET" };
            let (name, figure, wanted) = (&bar.name, figure(bar.figure), bar.wanted);
            writeln!(out, "{met:<7}  {name}: {figure} ({wanted})")?;
        }
        Ok(())
    }

    /// Writes the JSON under the time of the run, and returns the file's name.
    pub(crate) fn save(&self, bench: &Bench, directory: &Path) -> Result<std::path::PathBuf> {
        std::fs::create_dir_all(directory)?;
        let name = format!("{}.json", self.at.strftime("%Y%m%dT%H%M%SZ"));
        let path = directory.join(name);
        let text = serde_json::to_string_pretty(&self.to_json(bench))?;
        std::fs::write(&path, text + "\n")?;
        Ok(path)
    }

    fn to_json(&self, bench: &Bench) -> Value {
        let arguments = bench.arguments();
        let settings: serde_json::Map<String, Value> = self
            .settings
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let row_bytes: Vec<Value> = bench
            .row_bytes
            .iter()
            .map(|(rows, bytes)| json!({ "rows": rows, "bytes": bytes }))
            .collect();
        let results: Vec<Value> = bench.recorder.lines().into_iter().map(result).collect();
        json!({
            "format": FORMAT,
            "at": self.at.to_string(),
            "quick": arguments.quick,
            "repeat": arguments.repeat(),
            "server": { "version": self.server, "settings": settings },
            "processors": self.processors,
            "row_bytes": row_bytes,
            "results": results,
            "growth": self.growth,
            "bars": self.bars,
        })
    }
}

fn result(line: &Line) -> Value {
    let measures: serde_json::Map<String, Value> = line
        .measures
        .iter()
        .map(|(name, samples)| {
            let value = json!({ "median": line.median(name), "samples": samples });
            ((*name).to_owned(), value)
        })
        .collect();
    json!({
        "part": line.part,
        "rows": line.rows,
        "contender": line.contender,
        "measures": measures,
    })
}

/// One line for each contender, one column for each measure that any of them has.
fn table_of(lines: &[&Line]) -> Table {
    let mut header = vec!["contender"];
    for (name, _) in lines.iter().flat_map(|line| &line.measures) {
        if !header.contains(name) {
            header.push(name);
        }
    }
    let mut table = new_table(&header);
    for line in lines {
        let measures = header[1..].iter().map(|name| {
            let median = line.median(name);
            median.map_or_else(String::new, figure)
        });
        table.add_row(std::iter::once(line.contender.to_owned()).chain(measures));
    }
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for column in 0..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_padding((0, 2));
        }
    }
    table
}

/// Three digits or so: more would only be noise.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
