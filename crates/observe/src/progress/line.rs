//! For programs: an event a line, and the result as the last one.

use std::io::{self, Write};

use crossfade_plan::event::Event;
use serde::Serialize;

/// Writes JSON lines.
#[derive(Debug)]
pub struct EventLines<W> {
    out: W,
    schema: String,
}

/// In front of what a line is about.
#[derive(Serialize)]
struct Line<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    data: &'a T,
}

/// Data that has no `type` of its own.
#[derive(Serialize)]
struct Typed<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    data: &'a T,
}

impl<W: Write> EventLines<W> {
    /// Lines of `command`, the name of which goes into their `schema`.
    pub fn new(out: W, command: &str) -> Self {
        Self {
            out,
            schema: format!("crossfade.{command}/1"),
        }
    }

    /// One event. Written through: who reads it may act on it.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)
    }

    /// Data that the command prints while it runs; `kind` becomes its `type`.
    pub fn data<T: Serialize>(&mut self, kind: &'static str, data: &T) -> io::Result<()> {
        self.line(&Typed { kind, data })
    }

    /// The last line.
    pub fn result<T: Serialize>(&mut self, result: &T) -> io::Result<()> {
        self.data("result", result)
    }

    fn line<T: Serialize>(&mut self, data: &T) -> io::Result<()> {
        let line = serde_json::to_string(&Line {
            schema: &self.schema,
            data,
        })?;
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_object_and_the_last_one_is_the_result() {
        let mut out = Vec::new();
        let mut lines = EventLines::new(&mut out, "backfill");
        lines
            .event(&Event::Note {
                text: "two\nlines".to_owned(),
            })
            .expect("written");
        lines
            .result(&serde_json::json!({ "rows": 3 }))
            .expect("written");
        insta::assert_snapshot!(String::from_utf8(out).expect("UTF-8"), @r#"
        {"schema":"crossfade.backfill/1","type":"note","text":"two\nlines"}
        {"schema":"crossfade.backfill/1","type":"result","rows":3}
        "#);
    }
}
