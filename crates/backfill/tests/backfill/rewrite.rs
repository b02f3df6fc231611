//! TRUNCATE, VACUUM FULL and CLUSTER: the blocks are others afterwards.

use crossfade_plan::event::Event;
use crossfade_testkit::{Result, Role, Session};

use crate::fixture::{ALL, Fixture, ROW_BY_ROW, WIDE};
use crate::gate::{Gate, Place};

/// Whether all ranges are of the file that the table has now.
const RANGES_ARE_CURRENT: &str = "select coalesce(bool_and(relfilenode = pg_relation_filenode('public.t')), true)::int::int8 \
     from crossfade.task_range";

fn told(fixture: &Fixture) -> bool {
    fixture
        .events()
        .iter()
        .any(|event| matches!(event, Event::Note { text } if text.contains("rewritten")))
}

/// Runs a statement that exchanges the file while a chunk waits at `place`, and expects `rows`.
///
/// The statement waits for the chunk, and the next chunk for the statement: so it happens between
/// the two, while ranges are open.
async fn exchanged(place: Place, session: &Session, fixture: &Fixture, sql: &str) -> Result<()> {
    let gate = Gate::closed(fixture, place).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    let chunk = gate.let_one_pass(&mut job).await?;
    let exchange = session.start(sql);
    let blockers = fixture.admin.wait_until_blocked(session.pid()).await?;
    assert_eq!(blockers, [chunk]);
    gate.open().await?;
    // Neither is ever the victim of a deadlock: the chunk has locked the source first.
    exchange.await??;
    assert_eq!(job.await??, ALL);
    assert!(told(fixture), "the ranges start anew");
    assert_eq!(fixture.number(RANGES_ARE_CURRENT).await?, 1);
    Ok(())
}

#[tokio::test]
async fn vacuum_full_between_chunks_starts_the_ranges_anew() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    // Rows leave room, so that all others change their blocks.
    let app = fixture.app("app").await?;
    app.run("delete from public.t where id = 1").await?;
    let full = "vacuum full public.t";
    exchanged(
        Place::Snapshot,
        &fixture.database.session("full", Role::Superuser).await?,
        &fixture,
        full,
    )
    .await?;
    fixture.assert_copied(3).await
}

#[tokio::test]
async fn cluster_between_chunks_starts_the_ranges_anew() -> Result<()> {
    let fixture = Fixture::start(
        &format!("{WIDE}; create index by_n on public.t ((-n))"),
        ROW_BY_ROW,
    )
    .await?;
    let session = fixture.database.session("cluster", Role::Superuser).await?;
    // The order of the rows turns round.
    exchanged(
        Place::Snapshot,
        &session,
        &fixture,
        "cluster public.t using by_n",
    )
    .await?;
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn truncate_between_snapshot_and_copy_leaves_no_ghost() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let app = fixture.app("app").await?;
    exchanged(Place::Snapshot, &app, &fixture, "truncate public.t").await?;
    fixture.assert_copied(0).await
}

#[tokio::test]
async fn truncate_while_a_chunk_is_uncommitted_leaves_no_ghost() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let app = fixture.app("app").await?;
    exchanged(Place::Checkpointed, &app, &fixture, "truncate public.t").await?;
    fixture.assert_copied(0).await
}

#[tokio::test]
async fn rows_that_come_after_a_truncate_are_there() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let app = fixture.app("app").await?;
    let sql = "begin; truncate public.t; \
         insert into public.t select i, i, repeat('y', 5000) from generate_series(3, 9) i; commit";
    exchanged(Place::Copied, &app, &fixture, sql).await?;
    fixture.assert_copied(7).await
}

#[tokio::test]
async fn a_truncate_that_is_rolled_back_changes_nothing() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let app = fixture.app("app").await?;
    app.run("begin; truncate public.t").await?;
    let mut job = fixture.run().await?;
    // Even the look at the plan waits for it, gives way, and comes again.
    let retry = |event: &Event| matches!(event, Event::Retry { .. });
    fixture.wait_until_told(retry, &mut job).await?;
    app.run("rollback").await?;
    assert_eq!(job.await??, ALL);
    assert!(!told(&fixture));
    fixture.assert_copied(4).await
}
