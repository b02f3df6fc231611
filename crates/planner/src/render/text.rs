//! The plan for people: plain text, at most 80 columns where SQL does not ask for more.

use std::fmt::Write as _;

use crossfade_plan::execution::{Blocking, ExecutionPlan, Step};
use crossfade_plan::hazard::Severity;
use crossfade_plan::mapping::{Image, Totality, Value};

use super::stage_title;

const WIDTH: usize = 80;

/// The plan as text.
pub fn text(plan: &ExecutionPlan) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_plan(&mut out, plan);
    out
}

fn write_plan(out: &mut String, plan: &ExecutionPlan) -> std::fmt::Result {
    writeln!(out, "Migration {} of {}", plan.file.name, plan.file.table)?;
    if let Some(description) = &plan.file.description {
        paragraph(out, "  ", description)?;
    }
    writeln!(out, "Fingerprint {}", plan.fingerprint.short())?;
    paragraph(out, "", &sentence(&plan.strategy_reason))?;

    writeln!(out, "\nColumns of the target")?;
    images(out, &plan.mapping.forward)?;
    writeln!(out, "\nColumns of the old side, after the cutover")?;
    images(out, &plan.mapping.reverse)?;

    writeln!(out, "\nHazards")?;
    for hazard in &plan.hazards {
        let severity = match hazard.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Danger => "DANGER",
        };
        writeln!(out, "  {severity} {} {}", hazard.id, hazard.subject)?;
        paragraph(out, "    ", &sentence(&hazard.explanation))?;
        paragraph(out, "    ", &sentence(&hazard.remedy))?;
    }

    let mut stage = None;
    for (number, step) in plan.steps.iter().enumerate() {
        if stage != Some(step.stage) {
            writeln!(out, "\n{}", stage_title(step.stage).to_uppercase())?;
            stage = Some(step.stage);
        }
        write_step(out, number + 1, step)?;
    }
    Ok(())
}

fn write_step(out: &mut String, number: usize, step: &Step) -> std::fmt::Result {
    let head = format!("{number}. {} [{}]", sentence(&step.title), step.id);
    writeln!(out)?;
    hanging(out, "", "   ", &head)?;
    for lock in &step.locks {
        writeln!(out, "   takes {} on {}", lock.level, lock.relation)?;
    }
    let blocks = match step.blocking {
        Blocking::None => "blocks nobody",
        Blocking::Instant => "blocks others for milliseconds",
        Blocking::Bounded => "blocks writers of the same rows for a chunk at most",
        Blocking::Scan => "blocks others for a scan of the table",
    };
    writeln!(out, "   {blocks}")?;
    for statement in &step.statements {
        for line in statement.lines() {
            writeln!(out, "     {line}")?;
        }
        writeln!(out, "     ;")?;
    }
    Ok(())
}

fn images(out: &mut String, images: &[Image]) -> std::fmt::Result {
    let width = images
        .iter()
        .map(|image| image.column.to_string().chars().count())
        .max()
        .unwrap_or(0);
    for image in images {
        let value = match &image.value {
            Value::Column(column) => column.to_string(),
            Value::Cast(column) => format!("{column}::{}", image.sql_type),
            Value::Expression(expression) => {
                expression.split_whitespace().collect::<Vec<_>>().join(" ")
            }
        };
        let partial = if image.totality == Totality::Partial {
            "  (may be refused)"
        } else {
            ""
        };
        writeln!(
            out,
            "  {:<width$}  <- {value}{partial}",
            image.column.to_string()
        )?;
    }
    Ok(())
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", characters.as_str())
}

fn paragraph(out: &mut String, indent: &str, text: &str) -> std::fmt::Result {
    hanging(out, indent, indent, text)
}

/// A paragraph whose first line is indented by `first`, the others by `rest`.
fn hanging(out: &mut String, first: &str, rest: &str, text: &str) -> std::fmt::Result {
    let mut indent = first;
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = indent.len() + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > WIDTH {
            writeln!(out, "{indent}{line}")?;
            indent = rest;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{indent}{line}")
}
