//! A backfill that runs: what others see of it and do to it, and how it is stopped.

use crossfade_testkit::{Result, Role};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{Run, Started};
use crate::scene::{PLAN, Scene, result_of};

/// Slow enough to be caught at work, and to be still at it when the test is over.
const SLOW: &str = "backfill: { rows_per_second: 100, batch_size: 10 }\n";

/// A scene in which a slow backfill has copied its first rows.
async fn copying() -> Result<(Scene, Started)> {
    let scene = Scene::with_plan(2_000, &format!("{PLAN}{SLOW}")).await?;
    scene.up_to("expand")?;
    let runner = scene.program("backfill orders --format json").start()?;
    scene
        .admin
        .wait_until("select exists (select from public.orders__new)")
        .await?;
    Ok((scene, runner))
}

/// The lease is free: nobody has to wait for its end.
async fn lease_is_free(scene: &Scene) -> Result<bool> {
    let sql = "select bool_and(owner is null) from crossfade.lease";
    Ok(scene.admin.query_one_value(sql).await?)
}

async fn copied(scene: &Scene) -> Result<i64> {
    let sql = "select count(*) from public.orders__new";
    Ok(scene.admin.query_one_value(sql).await?)
}

/// Every line is an event or the result, which is the last.
fn lines(run: &Run) -> Result<Vec<Value>> {
    let lines: Vec<Value> = run
        .stdout
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()?;
    assert!(
        lines
            .iter()
            .all(|line| line["schema"] == "crossfade.backfill/1")
    );
    let results = lines.iter().filter(|line| line["type"] == "result").count();
    assert_eq!(results, 1, "{run:?}");
    assert_eq!(lines[lines.len() - 1]["type"], "result");
    Ok(lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_backfill_keeps_its_chunks_and_gives_the_lease_back() -> Result<()> {
    let (scene, runner) = copying().await?;
    runner.signal(Signal::TERM)?;
    let run = runner.wait()?;
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), ""), "{run:?}");
    let lines = lines(&run)?;
    let result = &lines[lines.len() - 1];
    assert_eq!(
        (&result["end"], &result["stage"], &result["next"]),
        (
            &json!("stopped"),
            &json!("backfilling"),
            &json!("crossfade backfill orders")
        )
    );
    assert!(lease_is_free(&scene).await?);
    let copied = copied(&scene).await?;
    assert!((1..2_000).contains(&copied), "{copied}");
    let status = scene.status()?;
    assert_eq!(status["status"], "pending");
    assert_eq!(status["rows_done"], json!(copied));
    // The next one goes on from there.
    scene.ends(0, "set orders rows_per_second=off")?;
    assert_eq!(scene.result(0, "backfill orders")?["stage"], "backfilled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_ends_with_its_window() -> Result<()> {
    let scene = Scene::with_plan(2_000, &format!("{PLAN}{SLOW}")).await?;
    scene.up_to("expand")?;
    let passed = "backfill orders --until 2001-01-01T00:00:00Z";
    for line in ["backfill orders --max-runtime 1ms", passed] {
        assert_eq!(scene.result(3, line)?["end"], "stopped", "{line}");
        assert!(lease_is_free(&scene).await?, "{line}");
    }
    let text = scene.ends(3, passed)?;
    assert!(text.stdout.contains("what was done is kept"), "{text:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_runner_that_cannot_finish() -> Result<()> {
    let scene = Scene::create(100).await?;
    scene.up_to("expand")?;
    // The chunk waits for this row, whose lock nobody lets go.
    let blocker = scene.database.session("blocker", Role::Superuser).await?;
    blocker
        .run("begin; lock table public.orders__new in access exclusive mode")
        .await?;
    let runner = scene.program("backfill orders").start()?;
    scene
        .admin
        .wait_until(
            "select exists (select from pg_locks
                            where relation = 'public.orders__new'::regclass and not granted)",
        )
        .await?;
    runner.signal(Signal::TERM)?;
    // It has heard the first: its program stops at the second, whichever chunk waits.
    runner.signal(Signal::INT)?;
    let run = runner.wait()?;
    assert!(matches!(run.code, Some(130 | 143)), "{run:?}");
    blocker.run("rollback").await?;
    // The lease was not given back: it runs out, and the next one takes it over.
    assert_eq!(scene.result(0, "backfill orders")?["stage"], "backfilled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_runner_is_sent_away_and_the_first_goes_on() -> Result<()> {
    let (scene, runner) = copying().await?;
    let error = scene.fails(4, "E0040", "backfill orders")?;
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("last sign of life"), "{error}");
    let run = scene.ends(4, "run orders.yaml --format json")?;
    let result = result_of(&run.stdout)?;
    assert_eq!(
        (&result["type"], &result["end"], &result["code"]),
        (&json!("result"), &json!("failed"), &json!("E0040"))
    );
    runner.signal(Signal::INT)?;
    assert_eq!(runner.wait()?.code, Some(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_backfill_is_seen_and_follows_what_people_want() -> Result<()> {
    let (scene, runner) = copying().await?;
    let recorded =
        |kind: &str| format!("select exists (select from crossfade.event where kind = '{kind}')");
    scene.admin.wait_until(&recorded("progress")).await?;
    let status = scene.status()?;
    assert_eq!(status["status"], "running");
    for known in ["rows_done", "rows_estimated", "runner", "dual_write_since"] {
        assert!(!status[known].is_null(), "{known}: {status}");
    }
    scene.ends(0, "pause orders")?;
    scene.admin.wait_until(&recorded("waiting")).await?;
    let status = scene.status()?;
    assert_eq!(
        (
            &status["status"],
            &status["wait"]["reason"],
            &status["next"]
        ),
        (
            &json!("paused"),
            &json!("paused"),
            &json!("crossfade resume orders")
        )
    );
    scene.ends(0, "set orders rows_per_second=off")?;
    scene.ends(0, "resume orders")?;
    let run = runner.wait()?;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let kinds: Vec<Value> = lines(&run)?
        .iter()
        .map(|line| line["type"].clone())
        .collect();
    for kind in [
        "step_started",
        "progress",
        "waiting",
        "resumed",
        "step_finished",
    ] {
        assert!(kinds.contains(&json!(kind)), "{kind}: {kinds:?}");
    }
    let history = scene.result(0, "history orders")?;
    let events = history["events"].as_array().ok_or("a list")?;
    let kinds: Vec<_> = events.iter().map(|event| &event["kind"]).collect();
    for kind in ["step_started", "waiting", "resumed", "pause", "set"] {
        assert!(kinds.contains(&&json!(kind)), "{kind}: {kinds:?}");
    }
    assert!(!kinds.contains(&&json!("progress")), "{kinds:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_shows_a_statement_with_its_values() -> Result<()> {
    let scene = Scene::create(20).await?;
    scene.up_to("expand")?;
    for variable in ["CROSSFADE_LOG", "RUST_LOG"] {
        let everything = "trace,tokio_postgres=trace,tokio_postgres::query=trace,log=trace";
        for line in ["backfill orders -vvv", "verify orders --log-format json"] {
            let run = scene.program(line).env(variable, everything).run()?;
            assert_eq!(run.code, Some(0), "{run:?}");
            // What the driver writes for each statement.
            for word in ["executing", "parameters", "tokio_postgres", "hunter2"] {
                assert!(!run.stderr.contains(word), "{variable}: {word}: {run:?}");
            }
        }
    }
    Ok(())
}
