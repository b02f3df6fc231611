//! Writes between a chunk's snapshot, its copy and its commit.

use crossfade_plan::event::{Event, RetryClass};
use crossfade_testkit::Result;

use crate::fixture::{ALL, Fixture, ROW_BY_ROW, SMALL, WIDE};
use crate::gate::{Gate, Place};

#[tokio::test]
async fn a_delete_between_snapshot_and_copy_leaves_no_ghost() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Snapshot).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    let app = fixture.app("app").await?;
    app.run("delete from public.t where id = 2").await?;
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(3).await
}

/// Runs a write of row 2 while the chunk that has copied it is not committed.
async fn written_while_uncommitted(write: &str, rows: i64) -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Copied).await?;
    let mut job = fixture.run().await?;
    let chunk = gate.reached(&mut job).await?;
    let app = fixture.app("app").await?;
    let mut written = app.start(write);
    // Without the row lock, the write passes by and finds nothing in the target to change.
    tokio::select! {
        blockers = fixture.admin.wait_until_blocked(app.pid()) => assert_eq!(blockers?, [chunk]),
        passed = &mut written => {
            passed??;
            panic!("the write passed the uncommitted copy by");
        }
    }
    gate.open().await?;
    written.await??;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(rows).await
}

#[tokio::test]
async fn a_delete_waits_for_the_uncommitted_copy() -> Result<()> {
    written_while_uncommitted("delete from public.t where id = 2", 3).await
}

#[tokio::test]
async fn an_update_waits_for_the_uncommitted_copy() -> Result<()> {
    written_while_uncommitted("update public.t set n = 22 where id = 2", 4).await
}

#[tokio::test]
async fn a_key_update_waits_for_the_uncommitted_copy() -> Result<()> {
    written_while_uncommitted("update public.t set id = 22 where id = 2", 4).await
}

#[tokio::test]
async fn a_row_that_refers_to_an_uncommitted_copy_does_not_wait() -> Result<()> {
    // The lock is the weakest that keeps writers out: the check of a foreign key passes it.
    let schema = format!("{SMALL}; create table public.child (t int references public.t (id))");
    let fixture = Fixture::start(&schema, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Copied).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    fixture
        .admin
        .run("set lock_timeout = '1s'; insert into public.child values (2)")
        .await?;
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(4).await
}

/// Runs a write between a chunk's snapshot and its copy; the chunk then meets the key that the
/// trigger wrote (23505), and comes again.
async fn written_after_the_snapshot(write: &str, rows: i64) -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Snapshot).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    let app = fixture.app("app").await?;
    app.run(write).await?;
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    assert_eq!(gate.visits().await?, 2, "the first attempt failed");
    // A racing writer is no failure: the retry comes at once.
    assert!(!fixture.events().iter().any(|event| matches!(
        event,
        Event::Retry {
            class: RetryClass::Conflict,
            ..
        }
    )));
    fixture.assert_copied(rows).await
}

#[tokio::test]
async fn a_key_that_a_trigger_writes_after_the_snapshot_is_left_as_the_trigger_made_it()
-> Result<()> {
    written_after_the_snapshot("update public.t set n = 22 where id = 2", 4).await
}

#[tokio::test]
async fn a_key_that_is_freed_and_taken_again_after_the_snapshot_is_the_later_row() -> Result<()> {
    written_after_the_snapshot(
        "delete from public.t where id = 2; update public.t set id = 2 where id = 3",
        3,
    )
    .await
}

/// Runs writes while rows 1 and 2 are copied and committed, and the chunk of row 3 has its snapshot.
async fn written_half_way(writes: &str, rows: i64) -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Snapshot).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    gate.let_one_pass(&mut job).await?;
    gate.let_one_pass(&mut job).await?;
    assert_eq!(fixture.copied().await?, 2);
    let app = fixture.app("app").await?;
    app.run(writes).await?;
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(rows).await
}

#[tokio::test]
async fn keys_that_move_across_the_position_are_copied_once() -> Result<()> {
    // Copied rows go behind the end and before the beginning, so do rows that are still to come,
    // and the row under the chunk.
    written_half_way(
        "update public.t set id = 100 where id = 1; update public.t set id = -2 where id = 2; \
         update public.t set id = 1 where id = 4; update public.t set id = 30 where id = 3",
        4,
    )
    .await
}

#[tokio::test]
async fn keys_that_change_places_across_the_position_are_copied_once() -> Result<()> {
    written_half_way(
        "begin; update public.t set id = -1 where id = 1; update public.t set id = 1 where id = 4; \
         update public.t set id = 4 where id = -1; commit",
        4,
    )
    .await
}

#[tokio::test]
async fn a_row_that_moves_into_a_block_behind_the_position_is_copied() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let app = fixture.app("app").await?;
    app.run("delete from public.t where id = 1").await?;
    fixture.admin.run("vacuum public.t").await?;
    let gate = Gate::closed(&fixture, Place::Snapshot).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    gate.let_one_pass(&mut job).await?;
    gate.let_one_pass(&mut job).await?;
    app.run("update public.t set n = 44 where id = 4").await?;
    let block = "select (ctid::text::point)[0]::int8 from public.t where id = 4";
    assert_eq!(fixture.number(block).await?, 0, "the room that row 1 left");
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(3).await
}

#[tokio::test]
async fn rows_that_are_inserted_behind_the_position_and_beyond_the_end_are_copied() -> Result<()> {
    written_half_way(
        "delete from public.t where id = 1; insert into public.t values (0, 0, 'x'), (99, 99, repeat('x', 5000))",
        5,
    )
    .await
}

#[tokio::test]
async fn a_write_that_is_rolled_back_after_the_snapshot_changes_nothing() -> Result<()> {
    written_half_way(
        "begin; delete from public.t; rollback; begin; update public.t set id = id + 10; rollback",
        4,
    )
    .await
}

/// Chunks that met nothing let the next one look nothing up in the target; one that then meets a
/// row there goes on as if it had looked.
#[tokio::test]
async fn a_row_that_is_there_after_chunks_that_met_none_is_left_out() -> Result<()> {
    let schema = format!(
        "{WIDE}; insert into public.t select i, i, repeat('x', 5000) from generate_series(5, 8) i"
    );
    let fixture = Fixture::start(&schema, ROW_BY_ROW).await?;
    let app = fixture.app("app").await?;
    app.run("update public.t set n = 55 where id = 5").await?;
    fixture.copy_all().await?;
    fixture.assert_copied(8).await?;
    let state = "crossfade.task_range";
    let attempts = fixture
        .number(&format!("select sum(attempts)::bigint from {state}"))
        .await?;
    assert_eq!(attempts, 0, "its rows are not taken for rows that can't be");
    Ok(())
}
