//! A connection that is lost while a command looks where the migration stands, before or after
//! its work: it looks again, and ends as if nothing had been.

use crossfade_testkit::{Fault, Proxy, Result, Role};
use serde_json::Value;

use crate::scene::{Scene, result_of};

/// Runs a command whose connection is cut once, at the statement that contains `at`.
async fn result(scene: &Scene, line: &str, at: &str, fault: Fault) -> Result<Value> {
    let proxy = Proxy::start(&scene.database).await?;
    proxy.next(at, fault);
    let program = scene
        .program(&format!("{line} --format json"))
        .url(&proxy.url(&scene.database, Role::Migrator));
    let run = tokio::task::spawn_blocking(move || program.run().map_err(|e| e.to_string()));
    let run = run.await??;
    assert_eq!(proxy.happened(), 1, "{line}: nothing was cut");
    assert_eq!(run.code, Some(0), "{line}: {run:?}");
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    result_of(&run.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_work() -> Result<()> {
    let scene = Scene::create(10).await?;
    for (command, at) in [
        ("expand orders.yaml --accept-unknown disk", "state/open"),
        ("backfill orders", "crossfade:backfill */ select"),
        ("verify orders", "crossfade:verify */ select"),
        ("cutover orders", "state/open"),
    ] {
        let result = result(&scene, command, at, Fault::AnswerLost).await?;
        assert_eq!(result["end"], "reached", "{command}: {result}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_work() -> Result<()> {
    let scene = Scene::create(10).await?;
    for command in [
        "expand orders.yaml --accept-unknown disk",
        "backfill orders --max-runtime 1h",
        "verify orders",
        "cutover orders",
        "rollback orders --yes",
    ] {
        let name = command.split(' ').next().unwrap_or_default();
        let at = format!("crossfade:{name} */ begin isolation level repeatable read");
        let result = result(&scene, command, &at, Fault::Lost).await?;
        assert_eq!(result["end"], "reached", "{command}: {result}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_watch() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    scene.ends(0, "rollback orders --yes")?;
    let at = "crossfade:status */ begin isolation level repeatable read";
    let result = result(&scene, "status orders --watch", at, Fault::Lost).await?;
    assert_eq!(result["stage"], "rolled_back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_server_that_was_never_there() -> Result<()> {
    let scene = Scene::create(10).await?;
    for command in ["expand orders.yaml", "backfill orders", "run orders.yaml"] {
        let run = scene
            .program(&format!("{command} --max-wait 1h --format json"))
            .url("postgresql://me:hunter2@127.0.0.1:1/shop")
            .run()?;
        assert_eq!(
            (run.code, &run.error()?["code"]),
            (Some(8), &"E0020".into())
        );
    }
    Ok(())
}
