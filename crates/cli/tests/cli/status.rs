//! `crossfade status`, at every point of a migration's way.

use std::time::Duration;

use crossfade_plan::event::{Event, RowProgress, Wait};
use crossfade_plan::{Progress, Status};
use crossfade_postgres::{Transaction, TransactionSettings};
use crossfade_state::{
    Acquired, Actor, BlockNumber, Checkpoint, Direction, Filenode, HeapExtent, Mode, NewEvent,
    Process, RelationOid, Verdict, VerificationResult,
};
use crossfade_testkit::{Result, Role};
use serde_json::{Value, json};

use crate::program::Program;
use crate::registered::Registered;

#[tokio::test]
async fn a_status_has_every_field_of_its_shape() -> Result<()> {
    let registered = Registered::create().await?;
    insta::assert_json_snapshot!("status_json", registered.json("status orders")?);
    let all = registered.json("status")?;
    assert_eq!(all["migrations"].as_array().map(Vec::len), Some(1));
    insta::assert_snapshot!("status_text", registered.run("status")?.stdout);
    Ok(())
}

#[tokio::test]
async fn a_watch_ends_at_the_first_signal_with_its_result() -> Result<()> {
    let registered = Registered::create().await?;
    let (code, lines) = Program::new("status orders --watch --format json")
        .url(&registered.url)
        .interrupt_after_first_line()?;
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line))
        .collect::<std::result::Result<_, _>>()?;
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str()).collect();
    assert_eq!(
        (types.first(), types.last()),
        (Some(&Some("status")), Some(&Some("result")))
    );
    assert!(
        lines
            .iter()
            .all(|line| line["schema"] == "crossfade.status/1")
    );
    assert!(lines.iter().all(|line| line["name"] == "orders"));
    Ok(())
}

#[tokio::test]
async fn a_running_backfill_tells_how_far_it_is_and_why_it_waits() -> Result<()> {
    let registered = Registered::create().await?;
    let Registered { store, id, .. } = &registered;
    let runner = Process::current();
    let acquired = store.acquire(*id, &runner, Duration::from_mins(1)).await?;
    assert!(matches!(acquired, Acquired::Acquired(_)));
    copy_some(&registered).await?;

    let status = registered.json("status orders")?;
    assert_eq!(status["stage"], "backfilling");
    assert_eq!(
        (&status["rows_done"], &status["rows_estimated"]),
        (&json!(30), &json!(120))
    );
    assert_eq!(status["ratio"], json!(0.25));
    assert_eq!(
        (&status["rate"], &status["eta_seconds"]),
        (&json!(15.0), &json!(6))
    );
    assert_eq!(
        status["wait"],
        json!({
            "reason": "replica lag", "metric": "max_replica_lag", "value": "2s", "threshold": "1500ms",
        })
    );
    assert_eq!(status["runner"]["host"], runner.host());
    assert_eq!(status["runner"]["pid"], runner.pid());
    assert_eq!(status["runner"]["expired"], json!(false));
    assert!(status["dual_write_since"].is_string(), "{status}");
    assert_eq!(status["next"], "crossfade backfill orders");

    record(&registered, &Event::Resumed).await?;
    assert_eq!(registered.json("status orders")?["wait"], Value::Null);
    let session = store.session("test").await?;
    store
        .set_status(&session, *id, Status::Failed, Some("the server went away"))
        .await?;
    let status = registered.json("status orders")?;
    assert_eq!(
        (&status["rate"], &status["error"]),
        (&Value::Null, &json!("the server went away"))
    );
    Ok(())
}

/// Expands and copies a quarter, as the records of a runner show it.
async fn copy_some(registered: &Registered) -> Result<()> {
    let Registered { store, id, .. } = registered;
    let actor = Actor::new("runner");
    let transaction = begin(registered).await?;
    store
        .advance(&transaction, *id, Progress::Expanded, &actor)
        .await?;
    store
        .advance(&transaction, *id, Progress::BackfillStarted, &actor)
        .await?;
    store
        .set_status(&transaction, *id, Status::Running, None)
        .await?;
    let extent = HeapExtent {
        relation: RelationOid(1),
        filenode: Filenode(1),
        blocks: 8,
    };
    store.ensure_ranges(&transaction, *id, extent, 4).await?;
    let range = store
        .claim_range(&transaction, *id, None)
        .await?
        .ok_or("a range")?;
    let checkpoint = Checkpoint {
        position: BlockNumber(2),
        rows: 30,
        complete: true,
    };
    store.checkpoint(&transaction, &range, checkpoint).await?;
    transaction.commit().await?;
    let progress = RowProgress {
        rows_done: 30,
        rows_estimated: Some(120),
        rate: Some(15.0),
        eta_seconds: Some(6),
    };
    record(registered, &Event::Progress(progress)).await?;
    let wait = Wait {
        reason: "replica lag".to_owned(),
        metric: Some("max_replica_lag".to_owned()),
        value: Some("2s".to_owned()),
        threshold: Some("1500ms".to_owned()),
    };
    record(registered, &Event::Waiting(wait)).await
}

/// Records an event as a runner does: its type is the kind, the rest of it the data.
async fn record(registered: &Registered, event: &Event) -> Result<()> {
    let mut data = serde_json::to_value(event)?;
    let kind = data
        .as_object_mut()
        .and_then(|fields| fields.remove("type"))
        .ok_or("a type")?;
    let kind = kind.as_str().ok_or("a text")?;
    let actor = Actor::new("runner");
    let session = registered.store.session("test").await?;
    let new = NewEvent {
        kind,
        actor: &actor,
        data,
    };
    Ok(registered
        .store
        .append_event(&session, registered.id, new)
        .await?)
}

#[tokio::test]
async fn a_verification_is_shown_until_it_is_void_and_then_as_void() -> Result<()> {
    let registered = Registered::create().await?;
    let Registered { store, id, .. } = &registered;
    let actor = Actor::new("runner");
    let transaction = begin(&registered).await?;
    for progress in [
        Progress::Expanded,
        Progress::BackfillStarted,
        Progress::BackfillClosed,
    ] {
        store.advance(&transaction, *id, progress, &actor).await?;
    }
    let verification = store
        .begin_verification(&transaction, *id, Mode::Full, Direction::Forward)
        .await?;
    let result = VerificationResult {
        verdict: Verdict::Exact,
        source_rows: 100,
        target_rows: 100,
        differences: 0,
        details: json!({}),
    };
    store
        .finish_verification(&transaction, *id, verification, &result)
        .await?;
    store
        .advance(&transaction, *id, Progress::Verified, &actor)
        .await?;
    transaction.commit().await?;
    let status = registered.json("status orders")?;
    assert_eq!(status["verification"]["verdict"], "exact");
    assert_eq!(status["verification"]["valid"], json!(true));
    assert!(status["verification"]["at"].is_string(), "{status}");

    let transaction = begin(&registered).await?;
    store
        .advance(&transaction, *id, Progress::ProofVoided, &actor)
        .await?;
    transaction.commit().await?;
    let status = registered.json("status orders")?;
    assert_eq!(status["verification"]["valid"], json!(false));
    assert_eq!(status["next"], "crossfade verify orders");
    Ok(())
}

#[tokio::test]
async fn a_status_never_waits_for_what_others_lock() -> Result<()> {
    let registered = Registered::create().await?;
    let blocker = registered
        .database
        .session("blocker", Role::Superuser)
        .await?;
    blocker
        .run(
            "begin;
             select from crossfade.lease for update;
             select from crossfade.migration for update;
             select from crossfade.control for update;
             lock table public.orders",
        )
        .await?;
    assert_eq!(registered.json("status orders")?["name"], "orders");
    Ok(())
}

async fn begin(registered: &Registered) -> Result<Transaction> {
    let settings = TransactionSettings::default();
    Ok(registered.store.database().begin("test", &settings).await?)
}
