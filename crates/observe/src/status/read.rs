//! Reads the status from the state.

use crossfade_plan::event::{Event, RowProgress, Wait};
use crossfade_plan::{Stage, Status};
use crossfade_postgres::Queries;
use crossfade_state::{MigrationRecord, RangeProgress, StateError, Store};
use serde_json::Value;

use super::next::next;
use super::view::{RunnerView, StatusView, VerificationView, WayBackView};

/// The kinds of events, as the engine records them, that tell what a runner is at: the `type` of
/// [`Event::Progress`], [`Event::Waiting`] and [`Event::Resumed`], the rest of the event as data.
const PROGRESS: &str = "progress";
const WAITING: &str = "waiting";
const RESUMED: &str = "resumed";

/// The status of a migration. `on` should be one snapshot, so that the parts fit together.
pub async fn read_status(
    store: &Store,
    on: &impl Queries,
    migration: &MigrationRecord,
) -> Result<StatusView, StateError> {
    let id = migration.id;
    let control = store.control(on, id).await?;
    let ranges = store.range_progress(on, id).await?;
    let holder = store.lease_holder(on, id).await?;
    let verification = store.latest_finished_verification(on, id).await?;
    let verdict = verification
        .as_ref()
        .and_then(|verification| Some(verification.result.as_ref()?.verdict));
    // Without a runner, what is waited for is what the last run ended with.
    let ended_with = migration.error.clone();
    let (left_waiting, error) = match migration.status {
        Status::Waiting => (ended_with.map(wait_for), None),
        _ => (None, ended_with),
    };
    let told = if migration.status == Status::Running {
        let progress = store.latest_event(on, id, &[PROGRESS]).await?;
        let wait = store.latest_event(on, id, &[WAITING, RESUMED]).await?;
        (
            progress.and_then(|event| progress_of(event.kind, event.data)),
            match wait {
                Some(event) => wait_of(event.kind, event.data),
                None => None,
            },
        )
    } else {
        (None, None)
    };
    let (progress, wait) = told;
    let rows = Rows::of(&ranges);
    // Nobody knows for how long it is paused.
    let progress = progress.filter(|_| !control.paused);
    Ok(StatusView {
        name: migration.name.clone(),
        table: migration.table.to_string(),
        stage: migration.stage,
        status: match migration.status {
            // A runner that waits is still the one that runs: only its events tell.
            Status::Running if wait.is_some() && control.paused => Status::Paused,
            Status::Running if wait.is_some() => Status::Waiting,
            status => status,
        },
        rows_done: rows.map(|rows| rows.done),
        rows_estimated: rows.and_then(|rows| rows.estimated),
        ratio: rows.map(|rows| rows.ratio),
        rate: progress.and_then(|progress| progress.rate),
        eta_seconds: progress.and_then(|progress| progress.eta_seconds),
        wait: wait.or(left_waiting),
        runner: holder.map(|holder| RunnerView {
            host: holder.owner.host().to_owned(),
            pid: holder.owner.pid(),
            epoch: holder.epoch.0,
            heartbeat_at: holder.heartbeat_at,
            expired: holder.expired,
        }),
        dual_write_since: dual_write_since(migration),
        verification: verification.and_then(|verification| {
            Some(VerificationView {
                verdict: verification.result?.verdict,
                at: verification.finished_at,
                valid: verification.valid,
            })
        }),
        way_back: way_back(store, on, migration).await?,
        paused: control.paused,
        hold: control.hold,
        error,
        next: next(
            &migration.name,
            migration.stage,
            control.paused,
            control.hold,
            verdict,
        ),
    })
}

/// A wait of which nothing more is known than its reason.
fn wait_for(reason: String) -> Wait {
    Wait {
        reason,
        metric: None,
        value: None,
        threshold: None,
    }
}

async fn way_back(
    store: &Store,
    on: &impl Queries,
    migration: &MigrationRecord,
) -> Result<Option<WayBackView>, StateError> {
    if migration.stage != Stage::CutOver {
        return Ok(None);
    }
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let loss = store.reverse_loss(on, migration.id).await?;
    Ok(Some(loss.map_or_else(WayBackView::default, |loss| {
        WayBackView {
            rows: count(loss.rows),
            writes: count(loss.writes),
            since: Some(loss.since),
        }
    })))
}

fn dual_write_since(migration: &MigrationRecord) -> Option<jiff::Timestamp> {
    if migration.stage.is_dual_writing() {
        migration.expanded_at
    } else {
        None
    }
}

/// What the ranges tell of the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rows {
    done: u64,
    estimated: Option<u64>,
    ratio: f64,
}

impl Rows {
    /// `None` before there are ranges, and for a table without blocks.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate for people, of numbers that are not negative"
    )]
    fn of(ranges: &RangeProgress) -> Option<Self> {
        if ranges.blocks <= 0 {
            return None;
        }
        let ratio = ranges.blocks_done as f64 / ranges.blocks as f64;
        let done = u64::try_from(ranges.rows_copied).ok()?;
        let estimated = (ratio > 0.0).then(|| (done as f64 / ratio).round() as u64);
        Some(Self {
            done,
            estimated,
            ratio,
        })
    }
}

/// What a recorded event says, or nothing where another version wrote it in another form.
fn event_of(kind: String, data: Value) -> Option<Event> {
    let Value::Object(mut fields) = data else {
        return None;
    };
    fields.insert("type".to_owned(), Value::String(kind));
    serde_json::from_value(Value::Object(fields)).ok()
}

fn progress_of(kind: String, data: Value) -> Option<RowProgress> {
    match event_of(kind, data)? {
        Event::Progress(progress) => Some(progress),
        _ => None,
    }
}

fn wait_of(kind: String, data: Value) -> Option<Wait> {
    match event_of(kind, data)? {
        Event::Waiting(wait) => Some(wait),
        _ => None,
    }
}

/// Whether the rows of a stage are still being copied, so that the rest can be told.
pub(super) fn is_copying(stage: Stage) -> bool {
    matches!(stage, Stage::Expanded | Stage::Backfilling)
}
