//! The status for people: a line for each thing that is known.

use std::time::Duration;

use jiff::Timestamp;

use super::read::is_copying;
use super::view::{StatusView, WayBackView};
use crate::progress::wait_text;
use crate::quantity;

/// The status as labels and values, a line each.
pub fn status_lines(view: &StatusView) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("migration", format!("{} on {}", view.name, view.table)),
        ("stage", stage(view)),
    ];
    let optional = [
        ("rows", rows(view)),
        ("rate", rate(view)),
        ("waiting", view.wait.as_ref().map(wait_text)),
        ("runner", runner(view)),
        (
            "dual-write",
            view.dual_write_since
                .map(|at| format!("active since {}", time(at))),
        ),
        ("verified", verification(view)),
        ("way back", view.way_back.map(way_back)),
        ("error", view.error.clone()),
        ("next", view.next.clone()),
    ];
    lines.extend(
        optional
            .into_iter()
            .filter_map(|(label, value)| Some((label, value?))),
    );
    lines
}

fn stage(view: &StatusView) -> String {
    let mut notes = vec![view.status.to_string()];
    // Until the runner tells that it has paused, and without one, the wish is news.
    if view.paused && view.status.as_str() != "paused" {
        notes.push("to be paused".to_owned());
    }
    if view.hold {
        notes.push("cutover on hold".to_owned());
    }
    format!("{} ({})", view.stage, notes.join(", "))
}

fn rows(view: &StatusView) -> Option<String> {
    let done = quantity::count(view.rows_done?);
    match (view.rows_estimated, view.ratio) {
        (Some(estimated), Some(ratio)) if is_copying(view.stage) => {
            let (estimated, ratio) = (quantity::count(estimated), quantity::percent(ratio));
            Some(format!(
                "{done} of about {estimated} copied ({ratio} of the blocks)"
            ))
        }
        _ => Some(format!("{done} copied")),
    }
}

fn rate(view: &StatusView) -> Option<String> {
    let rate = quantity::rate(view.rate?);
    Some(match view.eta_seconds {
        Some(left) => format!(
            "{rate}, about {} left",
            quantity::duration(Duration::from_secs(left))
        ),
        None => rate,
    })
}

fn way_back(way: WayBackView) -> String {
    let Some(since) = way.since else {
        return "open, nothing would be lost".to_owned();
    };
    let writes = quantity::counted(way.writes, "write");
    let rows = quantity::counted(way.rows, "row");
    format!("would lose {writes}, to {rows}, since {}", time(since))
}

fn runner(view: &StatusView) -> Option<String> {
    let runner = view.runner.as_ref()?;
    let at = time(runner.heartbeat_at);
    let silent = if runner.expired {
        ", silent since"
    } else {
        ", last sign of life"
    };
    Some(format!(
        "{}, process {}{silent} {at}",
        runner.host, runner.pid
    ))
}

fn verification(view: &StatusView) -> Option<String> {
    let verification = view.verification.as_ref()?;
    let verdict = verification.verdict.as_str();
    let at = verification
        .at
        .map(|at| format!(" at {}", time(at)))
        .unwrap_or_default();
    let void = if verification.valid {
        ""
    } else {
        ", no longer valid"
    };
    Some(format!("{verdict}{at}{void}"))
}

/// To the second, in UTC: the server's clock is the one that counts.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use crossfade_plan::event::Wait;
    use crossfade_plan::{MigrationName, Stage, Status};
    use crossfade_state::Verdict;

    use super::*;
    use crate::status::{RunnerView, VerificationView};

    fn planned() -> StatusView {
        StatusView {
            name: MigrationName::new("orders_id").expect("a name"),
            table: "\"public\".\"orders\"".to_owned(),
            stage: Stage::Planned,
            status: Status::Pending,
            rows_done: None,
            rows_estimated: None,
            ratio: None,
            rate: None,
            eta_seconds: None,
            wait: None,
            runner: None,
            dual_write_since: None,
            verification: None,
            way_back: None,
            paused: false,
            hold: false,
            error: None,
            next: Some("crossfade expand orders_id".to_owned()),
        }
    }

    fn status_text(view: &StatusView) -> String {
        let lines = status_lines(view);
        let lines = lines
            .iter()
            .map(|(label, value)| format!("{label:<12}{value}\n"));
        lines.collect()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("within range")
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        insta::assert_snapshot!(status_text(&planned()), @r#"
        migration   orders_id on "public"."orders"
        stage       planned (pending)
        next        crossfade expand orders_id
        "#);
    }

    #[test]
    fn a_backfill_that_waits_says_why() {
        let view = StatusView {
            stage: Stage::Backfilling,
            status: Status::Waiting,
            rows_done: Some(1_234_000),
            rows_estimated: Some(3_000_000),
            ratio: Some(0.411),
            rate: Some(12_300.0),
            eta_seconds: Some(143),
            wait: Some(Wait {
                reason: "replica lag".to_owned(),
                metric: Some("max_replica_lag".to_owned()),
                value: Some("2.1s".to_owned()),
                threshold: Some("1.5s".to_owned()),
            }),
            runner: Some(RunnerView {
                host: "db-admin-1".to_owned(),
                pid: 4711,
                epoch: 3,
                heartbeat_at: at(1_800_000_000),
                expired: false,
            }),
            dual_write_since: Some(at(1_799_990_000)),
            paused: true,
            hold: true,
            ..planned()
        };
        insta::assert_snapshot!(status_text(&view), @r#"
        migration   orders_id on "public"."orders"
        stage       backfilling (waiting, to be paused, cutover on hold)
        rows        1,234,000 of about 3,000,000 copied (41.1 % of the blocks)
        rate        12,300 rows/s, about 2m 23s left
        waiting     replica lag (max_replica_lag 2.1s, limit 1.5s)
        runner      db-admin-1, process 4711, last sign of life 2027-01-15 08:00:00 UTC
        dual-write  active since 2027-01-15 05:13:20 UTC
        next        crossfade expand orders_id
        "#);
    }

    #[test]
    fn a_verification_that_was_voided_says_so() {
        let view = StatusView {
            stage: Stage::Backfilled,
            rows_done: Some(3),
            ratio: Some(1.0),
            verification: Some(VerificationView {
                verdict: Verdict::Exact,
                at: Some(at(1_800_000_000)),
                valid: false,
            }),
            error: Some("the triggers had a gap".to_owned()),
            ..planned()
        };
        insta::assert_snapshot!(status_text(&view), @r#"
        migration   orders_id on "public"."orders"
        stage       backfilled (pending)
        rows        3 copied
        verified    exact at 2027-01-15 08:00:00 UTC, no longer valid
        error       the triggers had a gap
        next        crossfade expand orders_id
        "#);
    }
}
