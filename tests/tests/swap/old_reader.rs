//! A reader with an old snapshot never finds the table empty.

use crossfade_plan::Stage;
use crossfade_plan::event::Event;
use crossfade_testkit::{Result, Session};

use crate::way::{Command, DONE, ITEMS, WIDEN, Way};

async fn reader(way: &Way) -> Result<Session> {
    let session = way.app("reader").await?;
    session.run("begin isolation level repeatable read").await?;
    // Takes the snapshot, and no lock on the table.
    session
        .run("select count(*) from pg_catalog.pg_class")
        .await?;
    Ok(session)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backfill_is_closed_when_the_last_old_snapshot_is_gone() -> Result<()> {
    let way = Way::new(ITEMS, &[WIDEN]).await?;
    assert_eq!(way.engine.expand(&way.plan, None).await?, DONE);
    let old = reader(&way).await?;
    let backfill = way.backfill();
    way.told(|event| matches!(event, Event::Waiting(wait) if wait.reason.contains("still see")))
        .await?;
    assert_eq!(way.stage().await?, Stage::Backfilling);
    assert!(!backfill.is_finished());
    // Had the swap been made by now, this would be what the reader finds.
    let empty: i64 = old
        .query_one_value("select count(*) from public.items__new")
        .await
        .unwrap_or(0);
    assert_eq!(empty, 0);
    old.run("rollback").await?;
    assert_eq!(backfill.await??, DONE);
    way.verify().await?;

    let late = reader(&way).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    let sql = "select count(*) from public.items";
    assert_eq!(late.query_one_value::<i64>(sql).await?, 1000);
    Ok(())
}

/// A repair writes to the target as the copy did: who has an older snapshot would miss that row
/// after the swap.
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_waits_for_the_snapshots_from_before_it() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    way.scene
        .admin
        .run("delete from public.items__new where id = 7")
        .await?;
    let old = reader(&way).await?;
    let missed = "select count(*) from public.items__new where id = 7";
    {
        let repair = way.repair();
        tokio::pin!(repair);
        let told = way.told(
            |event| matches!(event, Event::Waiting(wait) if wait.reason.contains("still see")),
        );
        tokio::select! {
            told = told => told?,
            repaired = &mut repair => return Err(format!("it did not wait: {repaired:?}").into()),
        }
        assert_eq!(way.number(missed).await?, 1, "repaired");
        assert_eq!(way.stage().await?, Stage::Backfilled, "nothing is proved");
        old.run("rollback").await?;
        repair.await?;
    }
    assert_eq!(way.stage().await?, Stage::Verified);
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    way.assert_both_sides_alike().await
}
