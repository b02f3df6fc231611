//! What people want of a migration, and the records of it.

use crossfade_testkit::Result;
use serde_json::json;

use crate::plan::FILE;
use crate::program::Program;
use crate::registered::Registered;

#[tokio::test]
async fn pause_and_hold_are_seen_and_recorded_once() -> Result<()> {
    let registered = Registered::create().await?;
    let shape = |command: &str, changed: bool, paused: bool, hold: bool| {
        let schema = format!("crossfade.{command}/1");
        json!({ "schema": schema, "name": "orders", "changed": changed,
                "paused": paused, "hold": hold })
    };
    assert_eq!(
        registered.json("pause orders")?,
        shape("pause", true, true, false)
    );
    assert_eq!(
        registered.json("pause orders")?,
        shape("pause", false, true, false)
    );
    assert_eq!(
        registered.json("hold orders")?,
        shape("hold", true, true, true)
    );
    let status = registered.json("status orders")?;
    assert_eq!(
        (&status["paused"], &status["hold"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(status["next"], "crossfade resume orders");
    assert_eq!(
        registered.json("resume orders")?,
        shape("resume", true, false, true)
    );
    assert_eq!(
        registered.json("unhold orders")?,
        shape("unhold", true, false, false)
    );

    let history = registered.json("history orders")?;
    let events = history["events"].as_array().ok_or("a list")?;
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str()).collect();
    let expected = ["registered", "pause", "hold", "resume", "unhold"].map(Some);
    assert_eq!(kinds, expected);
    assert_eq!(
        events[1]["data"],
        json!({ "old": { "paused": false }, "new": { "paused": true } })
    );
    let actor = events[1]["actor"].as_str().ok_or("a text")?;
    assert!(
        actor.starts_with(&format!("{} ", registered.database.migrator())),
        "{actor}"
    );
    Ok(())
}

#[tokio::test]
async fn settings_are_checked_set_and_given_back() -> Result<()> {
    let registered = Registered::create().await?;
    let set = registered.json("set orders chunk_target=20ms")?;
    assert_eq!(set["settings"], json!({ "chunk_target": "20ms" }));
    let set = registered.json("set orders batch_size=300")?;
    assert_eq!(
        set["settings"],
        json!({ "chunk_target": "20ms", "batch_size": 300 })
    );
    let back = registered.json("set orders chunk_target=")?;
    assert_eq!(back["settings"], json!({ "batch_size": 300 }));
    for (name, line) in [
        ("set_bad_value", "set orders batch_size=many"),
        ("set_unknown", "set orders wrokers=3"),
        ("set_not_followed", "set orders workers=3"),
    ] {
        insta::assert_snapshot!(name, registered.run(line)?.shown());
    }
    Ok(())
}

#[tokio::test]
async fn an_approval_is_bound_to_the_plan() -> Result<()> {
    let registered = Registered::create().await?;
    let approved = registered.json("approve orders --role technical")?;
    let listed = registered.json("list")?;
    assert_eq!(
        approved["fingerprint"],
        listed["migrations"][0]["fingerprint"]
    );
    let history = registered.json("history orders")?;
    let last = history["events"]
        .as_array()
        .and_then(|events| events.last())
        .ok_or("events")?;
    assert_eq!(last["kind"], "approve");
    assert_eq!(last["data"]["new"]["role"], "technical");
    assert_eq!(last["data"]["new"]["fingerprint"], approved["fingerprint"]);

    let run = registered.run("approve orders --role busines")?;
    insta::assert_snapshot!("approve_unknown_role", run.shown());
    Ok(())
}

#[tokio::test]
async fn a_migration_is_named_by_its_plan_file_too() -> Result<()> {
    let registered = Registered::create().await?;
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("change.yaml"), FILE)?;
    let status = Program::new("status change.yaml --format json")
        .directory(directory.path())
        .url(&registered.url)
        .run()?
        .json()?;
    assert_eq!(status["name"], "orders");
    Ok(())
}

#[tokio::test]
async fn a_list_fits_80_columns() -> Result<()> {
    let registered = Registered::create().await?;
    for line in ["list", "history orders"] {
        let run = registered.run(line)?;
        assert!(run.stdout.contains("orders"), "{run:?}");
        assert!(
            run.stdout.lines().all(|line| line.chars().count() <= 80),
            "{run:?}"
        );
    }
    let listed = registered.json("list")?;
    let keys: Vec<_> = listed["migrations"][0]
        .as_object()
        .ok_or("an object")?
        .keys()
        .collect();
    assert_eq!(
        keys,
        [
            "name",
            "table",
            "stage",
            "status",
            "fingerprint",
            "created_by",
            "created_at",
            "updated_at",
            "finished_at",
            "error"
        ]
    );
    Ok(())
}
