//! The plan as SQL that psql can run, a section for each stage, with the locks in the headers.
//!
//! What takes a program (the copy in chunks, the comparison) stands there as a comment.

use std::fmt::Write as _;

use crossfade_plan::execution::{Action, ExecutionPlan, Step};

use super::stage_title;

const SEARCH_PATH: &str = "set local search_path = pg_catalog, pg_temp;";

/// The plan as SQL.
pub fn sql(plan: &ExecutionPlan) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_plan(&mut out, plan);
    out
}

fn write_plan(out: &mut String, plan: &ExecutionPlan) -> std::fmt::Result {
    writeln!(
        out,
        "-- migration {} of {}",
        plan.file.name,
        comment(&plan.file.table.to_string())
    )?;
    writeln!(out, "-- fingerprint {}", plan.fingerprint)?;
    let mut stage = None;
    for step in &plan.steps {
        if stage != Some(step.stage) {
            writeln!(out, "\n-- ==== {} ====", stage_title(step.stage))?;
            stage = Some(step.stage);
        }
        write_step(out, step, plan)?;
    }
    Ok(())
}

fn write_step(out: &mut String, step: &Step, plan: &ExecutionPlan) -> std::fmt::Result {
    writeln!(
        out,
        "\n-- {}: {}",
        comment(step.id.as_str()),
        comment(&step.title)
    )?;
    for lock in &step.locks {
        writeln!(
            out,
            "-- lock: {} on {}",
            lock.level,
            comment(&lock.relation.to_string())
        )?;
    }
    match step.action {
        Action::Transaction => in_transaction(out, step, plan, false),
        Action::Swap => in_transaction(out, step, plan, true),
        Action::ConcurrentIndex { .. } => {
            writeln!(out, "-- outside a transaction")?;
            for statement in &step.statements {
                writeln!(out, "{statement}\n;")?;
            }
            Ok(())
        }
        Action::Backfill => {
            writeln!(
                out,
                "-- for each range of blocks, $1 and $2 its first and last tuple id:"
            )?;
            for line in step
                .statements
                .iter()
                .flat_map(|statement| statement.lines())
            {
                writeln!(out, "--   {line}")?;
            }
            Ok(())
        }
        Action::Verify => writeln!(out, "-- crossfade verify {}", plan.file.name),
    }
}

fn in_transaction(
    out: &mut String,
    step: &Step,
    plan: &ExecutionPlan,
    takes_locks: bool,
) -> std::fmt::Result {
    let millis = plan.file.cutover.lock_timeout.get().as_millis();
    writeln!(
        out,
        "begin;\nset local lock_timeout = '{millis}ms';\n{SEARCH_PATH}"
    )?;
    if takes_locks {
        for lock in &step.locks {
            writeln!(
                out,
                "lock table only {} in {} mode;",
                lock.relation,
                lock.level.as_sql().to_lowercase()
            )?;
        }
    }
    for statement in &step.statements {
        writeln!(out, "{statement}\n;")?;
    }
    writeln!(out, "commit;")
}

/// A name can hold a line break, and must not end the comment that it stands in.
fn comment(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
