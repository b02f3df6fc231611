//! The way up: expand, backfill with a kill in the middle, verify, cutover.

use crossfade_observe::quantity;
use crossfade_plan::event::Event;
use crossfade_sandbox::sales::{MIGRATION, PLAN_FILE, Version, plan_file};
use crossfade_sandbox::workload::Running;
use serde_json::Value;

use crate::error::{Code, Failure};

use super::copying::Copying;
use super::measure::Pace;
use super::program::Run;
use super::stage::{Stage, WATCH, broken};

/// When the first run is killed: this much of the copy is done by then.
const KILL_AT: f64 = 0.4;

const GIB: u64 = 1 << 30;

/// What the way up has come to.
#[derive(Debug)]
pub(super) struct Up {
    /// Rows that the backfill copied, those that the triggers had brought over left out.
    pub(super) rows_copied: u64,
    /// In how many seconds.
    pub(super) copy_seconds: f64,
    /// Rows that were committed when the first run was killed.
    pub(super) rows_at_kill: u64,
    /// The application during the copy.
    pub(super) during_copy: Pace,
    /// What the comparison of both sides has proved.
    pub(super) verdict: Verdict,
    /// For how long the swap kept the application out, in milliseconds.
    pub(super) swap_ms: f64,
    /// The application on the migrated table.
    pub(super) after_swap: Pace,
}

/// What a full verification said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// As the state stores it: `exact`, `mismatch`, ...
    pub(super) word: String,
    /// Rows of the source.
    pub(super) rows: u64,
    /// Rows that are missing, different or extra.
    pub(super) differences: u64,
}

/// Brings the table to its new form while the application works.
pub(super) async fn migrate(stage: &Stage<'_>, workload: &Running) -> Result<Up, Failure> {
    show_plan(stage).await?;
    let mut copying = Copying::new(stage.narrator, workload);
    let line = command_line(stage)?;
    let rows_at_kill = Box::pin(run_and_kill(stage, &line, &mut copying)).await?;
    let verdict = Box::pin(resume(stage, &line, &mut copying)).await?;
    let rows_copied = status(stage).await?.rows_done;
    let (copy_seconds, during_copy) = (copying.seconds(), copying.application());
    let (swap_ms, after_swap) = Box::pin(cut_over(stage, workload)).await?;
    Ok(Up {
        rows_copied,
        copy_seconds,
        rows_at_kill,
        during_copy,
        verdict,
        swap_ms,
        after_swap,
    })
}

async fn show_plan(stage: &Stage<'_>) -> Result<(), Failure> {
    let narrator = stage.narrator;
    let text = plan_file(stage.rows());
    let path = stage.sales.directory().join(PLAN_FILE);
    std::fs::write(&path, &text).map_err(|error| Failure::of(Code::DemoBroken, &error))?;
    narrator.blank()?;
    narrator.say("The migration: a wider key, a name in two parts, a computed column.")?;
    narrator.add(&format!("{}:", path.display()))?;
    narrator.quote(&text)?;
    let line = format!("plan {PLAN_FILE}");
    narrator.command(&format!("crossfade {line}"))?;
    let plan = stage.program.run(&line).await?;
    let steps = plan.pointer("/plan/steps").and_then(Value::as_array);
    let steps = steps.ok_or_else(|| Failure::new(Code::DemoBroken, "the plan has no steps"))?;
    narrator.add(&format!(
        "It prints {} steps, each with its SQL, its locks and its hazards. Nothing is changed \
         yet.",
        steps.len()
    ))
}

/// The command that does all up to the cutover, and goes on with it after a failure.
fn command_line(stage: &Stage<'_>) -> Result<String, Failure> {
    let free = stage.sales.free_disk().map_err(|error| broken(&error))?;
    let free = if free >= GIB {
        format!("{}GiB", free / GIB)
    } else {
        format!("{}MiB", free >> 20)
    };
    Ok(format!("run {PLAN_FILE} --free-disk {free} --lease-ttl 3s"))
}

async fn run_and_kill(
    stage: &Stage<'_>,
    line: &str,
    copying: &mut Copying<'_>,
) -> Result<u64, Failure> {
    let narrator = stage.narrator;
    narrator.command(&format!("crossfade {line}"))?;
    narrator.add(
        "Creates the new table beside the old one, mirrors every write by triggers, then copies \
         the rows that were there before. The demo's plan limits the copy's speed, so that there \
         is something to see.",
    )?;
    let mut run = stage.program.start(line)?;
    let killed = loop {
        let Some(event) = run.event().await? else {
            // It has failed, or else it was too fast for us.
            run.finish().await?;
            let message = "the copy was over before it could be killed";
            return Err(Failure::new(Code::DemoBroken, message));
        };
        copying.take(&event)?;
        if copying.ratio() >= KILL_AT {
            break kill(stage, run).await?;
        }
    };
    copying.end();
    narrator.command(&format!("kill -9 {killed}"))?;
    let left = status(stage).await?;
    narrator.add(&format!(
        "In the middle of the copy, without a warning. {} rows are committed, and so is the \
         place where to go on ({}). The triggers keep working, and so does the application.",
        quantity::count(left.rows_done),
        left.ratio
            .map_or_else(|| "unknown".to_owned(), quantity::percent)
    ))?;
    Ok(left.rows_done)
}

/// Kills the run, and nothing else; returns its process id.
async fn kill(stage: &Stage<'_>, run: Run) -> Result<u32, Failure> {
    let id = run.id().unwrap_or_default();
    let status = run.kill().await?;
    if status.code().is_some() {
        stage.narrator.say(&format!(
            "It has ended before it could be killed: {status}."
        ))?;
    }
    Ok(id)
}

async fn resume(
    stage: &Stage<'_>,
    line: &str,
    copying: &mut Copying<'_>,
) -> Result<Verdict, Failure> {
    let narrator = stage.narrator;
    narrator.command(&format!("crossfade {line}"))?;
    narrator.add(
        "The same command again. It makes sure that the first run is dead (its lease runs out \
         after 3 s; 60 s is usual), and goes on where it was.",
    )?;
    let mut run = stage.program.start(line)?;
    let mut verdict = None;
    while let Some(event) = run.event().await? {
        copying.take(&event)?;
        if let Event::Verdict {
            verdict: said,
            source_rows,
            target_rows,
            differences,
        } = event
        {
            narrator.say(&format!(
                "Every row compared, both ways: {said}. {} rows against {}, {} differences.",
                quantity::count(source_rows),
                quantity::count(target_rows),
                quantity::count(differences)
            ))?;
            verdict = Some(Verdict {
                word: said,
                rows: source_rows,
                differences,
            });
        }
    }
    run.finish().await?;
    verdict.ok_or_else(|| Failure::new(Code::DemoBroken, "the run has not verified anything"))
}

async fn cut_over(stage: &Stage<'_>, workload: &Running) -> Result<(f64, Pace), Failure> {
    let narrator = stage.narrator;
    narrator.blank()?;
    narrator.say(
        "The application's next release goes out: it does without `name`, so that it fits the \
         table before and after the swap.",
    )?;
    let between = stage.sales.shape(Version::Between);
    workload
        .switch_shape(between.map_err(|error| broken(&error))?)
        .await;
    let line = format!("cutover {MIGRATION}");
    narrator.command(&format!("crossfade {line}"))?;
    let held = locks_held(&stage.program.run(&line).await?)?;
    narrator.say(&format!(
        "The tables are swapped; their locks were held for at most {held:.1} ms. From now on every write \
         is mirrored to the old table: the way back stays open."
    ))?;
    let second = stage.sales.shape(Version::Second);
    workload
        .switch_shape(second.map_err(|error| broken(&error))?)
        .await;
    narrator.say("The release after that uses first_name and last_name.")?;
    let before = workload.snapshot();
    tokio::time::sleep(WATCH).await;
    let pace = Pace::between(&before, &workload.snapshot());
    narrator.say(&format!(
        "It does {} transactions a second on the new table.",
        quantity::count(pace.per_second())
    ))?;
    Ok((held, pace))
}

/// How far the migration is, by the state.
struct Status {
    rows_done: u64,
    ratio: Option<f64>,
}

async fn status(stage: &Stage<'_>) -> Result<Status, Failure> {
    let status = stage.program.run(&format!("status {MIGRATION}")).await?;
    Ok(Status {
        rows_done: status
            .get("rows_done")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
        ratio: status.get("ratio").and_then(Value::as_f64),
    })
}

/// From the result of a command that swaps: how long the application was kept out.
pub(super) fn locks_held(result: &Value) -> Result<f64, Failure> {
    let held = result.get("locks_held_ms").and_then(Value::as_f64);
    held.ok_or_else(|| Failure::new(Code::DemoBroken, "the swap has not told its time"))
}
