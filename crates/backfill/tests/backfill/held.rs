//! Rows that others hold: skipped by the chunk, found again by the closing pass.

use std::time::Duration;

use crossfade_backfill::{BackfillError, Ending};
use crossfade_plan::event::Event;
use crossfade_testkit::Result;

use crate::fixture::{ALL, Fixture, PATIENCE, ROW_BY_ROW, SMALL, WIDE, spawn};

/// Copies while `hold` keeps row 2, lets it go by `end`, and expects `rows` rows.
async fn held(schema: &str, hold: &str, end: &str, rows: i64) -> Result<()> {
    let fixture = Fixture::start(schema, ROW_BY_ROW).await?;
    let holder = fixture.app("holder").await?;
    holder.run(&format!("begin; {hold}")).await?;
    let mut job = fixture.run().await?;
    fixture.wait_until_copied(3, &mut job).await?;
    holder.run(end).await?;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(rows).await
}

#[tokio::test]
async fn a_row_whose_update_is_rolled_back_is_found_again() -> Result<()> {
    // Nobody fires a trigger for it ever again: without the closing pass it would be lost.
    held(
        WIDE,
        "update public.t set n = 22 where id = 2",
        "rollback",
        4,
    )
    .await
}

#[tokio::test]
async fn a_row_whose_update_is_committed_is_there() -> Result<()> {
    held(
        SMALL,
        "update public.t set n = 22 where id = 2",
        "commit",
        4,
    )
    .await
}

#[tokio::test]
async fn a_row_that_was_only_locked_is_found_again() -> Result<()> {
    held(
        SMALL,
        "select from public.t where id = 2 for update",
        "commit",
        4,
    )
    .await
}

#[tokio::test]
async fn a_row_that_was_locked_and_then_deleted_leaves_no_ghost() -> Result<()> {
    held(
        WIDE,
        "select from public.t where id = 2 for update",
        "delete from public.t where id = 2; commit",
        3,
    )
    .await
}

#[tokio::test]
async fn a_row_whose_delete_is_rolled_back_is_found_again() -> Result<()> {
    held(SMALL, "delete from public.t where id = 2", "rollback", 4).await
}

#[tokio::test]
async fn a_row_that_stays_held_is_reported_with_its_holder() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let holder = fixture.app("holder").await?;
    holder
        .run("begin; select from public.t where id = 2 for update")
        .await?;
    let mut job = fixture.job().await?;
    job.patience = Duration::ZERO;
    match Box::pin(job.run()).await {
        Err(BackfillError::RowsHeld { rows, pids }) => {
            assert_eq!((rows, pids.as_slice()), (1, [holder.pid()].as_slice()));
        }
        other => panic!("{other:?}"),
    }
    holder.run("rollback").await?;
    fixture.copy_all().await?;
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn a_chunk_never_waits_for_a_row() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let holder = fixture.app("holder").await?;
    holder
        .run("begin; update public.t set n = 22 where id = 2")
        .await?;
    let mut job = fixture.job().await?;
    // A wait would end by our lock timeout, again and again.
    job.patience = PATIENCE.min(Duration::from_secs(2));
    let mut job = spawn(job);
    fixture.wait_until_copied(3, &mut job).await?;
    let waits = format!(
        "select count(*) from pg_stat_activity where {} = any (pg_blocking_pids(pid))",
        holder.pid()
    );
    assert_eq!(fixture.number(&waits).await?, 0);
    holder.run("commit").await?;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn a_row_that_was_held_is_found_again_by_the_next_run() -> Result<()> {
    for killed in [false, true] {
        let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
        let holder = fixture.app("holder").await?;
        holder
            .run("begin; update public.t set n = 22 where id = 2")
            .await?;
        let job = fixture.job().await?;
        let stop = job.stop.clone();
        let mut job = spawn(job);
        // It copies no more: every range is done, and it waits for the row.
        fixture
            .wait_until_told(
                |event| matches!(event, Event::Waiting(wait) if wait.reason.contains("locked")),
                &mut job,
            )
            .await?;
        if killed {
            job.abort();
            assert!(job.await.is_err_and(|error| error.is_cancelled()));
        } else {
            stop.cancel();
            assert_eq!(job.await??, Ending::Stopped);
        }
        let open = "select count(*) from crossfade.task_range where state <> 'done'";
        assert_eq!(
            fixture.number(open).await?,
            0,
            "the next run copies nothing"
        );
        assert_eq!(fixture.copied().await?, 3);
        // No trigger fires for it ever again.
        holder.run("rollback").await?;
        fixture.copy_all().await?;
        fixture.assert_copied(4).await?;
    }
    Ok(())
}

#[tokio::test]
async fn only_where_a_chunk_left_something_out_is_looked_again() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let left_out = async |fixture: &Fixture| -> Result<Vec<_>> {
        let session = fixture.store.session("test").await?;
        let places = fixture.store.left_out(&session, fixture.migration).await?;
        let blocks = places.iter().map(|place| (place.first.0, place.end.0));
        Ok(blocks.collect())
    };
    fixture.copy_all().await?;
    assert_eq!(left_out(&fixture).await?, []);

    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let holder = fixture.app("holder").await?;
    holder
        .run("begin; update public.t set n = 22 where id = 2")
        .await?;
    let mut job = fixture.run().await?;
    fixture.wait_until_copied(3, &mut job).await?;
    holder.run("rollback").await?;
    assert_eq!(job.await??, ALL);
    // Row 2 is alone in its block; nothing was held in the others.
    assert_eq!(left_out(&fixture).await?, [(1, 2)]);
    Ok(())
}
