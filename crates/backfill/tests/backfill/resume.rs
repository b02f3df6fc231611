//! Chunks that end badly: rows and position live or die together, and nothing is copied twice.

use crossfade_plan::event::{Event, RetryClass};
use crossfade_testkit::{Fault, Proxy, Result, Role};

use crate::fixture::{ALL, Fixture, ROW_BY_ROW, Running, WIDE, spawn};
use crate::gate::{Gate, Place};

/// Positions of all ranges, summed.
const POSITION: &str = "select sum(position)::int8 from crossfade.task_range";

/// Brings a job to `place` in its second chunk, and lets the whole job vanish there.
async fn killed_at(place: Place) -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, place).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    let chunk = gate.let_one_pass(&mut job).await?;
    job.abort();
    fixture
        .admin
        .wait_until(&format!(
            "select not exists (select from pg_stat_activity where pid = {chunk})"
        ))
        .await?;
    assert_eq!(fixture.copied().await?, 1, "rows of the chunk that died");
    assert_eq!(fixture.rows_counted().await?, 1);
    assert_eq!(fixture.number(POSITION).await?, 1);
    gate.open().await?;
    fixture.copy_all().await?;
    assert_eq!(fixture.rows_counted().await?, 4, "each row once");
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn death_before_the_copy_leaves_neither_rows_nor_position() -> Result<()> {
    killed_at(Place::Snapshot).await
}

#[tokio::test]
async fn death_between_copy_and_checkpoint_leaves_neither_rows_nor_position() -> Result<()> {
    killed_at(Place::Copied).await
}

#[tokio::test]
async fn death_between_checkpoint_and_commit_leaves_neither_rows_nor_position() -> Result<()> {
    killed_at(Place::Checkpointed).await
}

/// Whether a lost connection was told.
fn reconnected(fixture: &Fixture) -> bool {
    let retry = |event: &Event| {
        matches!(
            event,
            Event::Retry {
                class: RetryClass::Connection,
                ..
            }
        )
    };
    fixture.events().iter().any(retry)
}

#[tokio::test]
async fn a_backend_that_is_terminated_in_a_chunk_is_replaced() -> Result<()> {
    for place in [Place::Snapshot, Place::Copied, Place::Checkpointed] {
        let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
        let gate = Gate::closed(&fixture, place).await?;
        let mut job = fixture.run().await?;
        let chunk = gate.reached(&mut job).await?;
        fixture
            .admin
            .run(&format!("select pg_terminate_backend({chunk})"))
            .await?;
        fixture
            .admin
            .wait_until(&format!(
                "select not exists (select from pg_stat_activity where pid = {chunk})"
            ))
            .await?;
        gate.open().await?;
        assert_eq!(job.await??, ALL, "{place:?}");
        assert!(reconnected(&fixture), "{place:?}");
        assert_eq!(fixture.rows_counted().await?, 4, "{place:?}");
        fixture.assert_copied(4).await?;
    }
    Ok(())
}

/// Copies through a proxy that does `fault` to the COMMIT of the second chunk.
async fn commit_is_cut(fault: Fault) -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let proxy = Proxy::start(&fixture.database).await?;
    let gate = Gate::closed(&fixture, Place::Checkpointed).await?;
    let url = proxy.url(&fixture.database, Role::Migrator);
    let mut job = spawn(fixture.job_over(&url).await?);
    gate.reached(&mut job).await?;
    gate.let_one_pass(&mut job).await?;
    proxy.next("race/backfill */ select 1; commit", fault);
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    assert_eq!(proxy.happened(), 1);
    assert!(reconnected(&fixture));
    assert_eq!(
        fixture.rows_counted().await?,
        4,
        "each row once, whatever became of the COMMIT"
    );
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_counts_once() -> Result<()> {
    commit_is_cut(Fault::AnswerLost).await
}

#[tokio::test]
async fn a_commit_that_never_arrives_is_done_again() -> Result<()> {
    commit_is_cut(Fault::Lost).await
}

#[tokio::test]
async fn several_workers_copy_each_row_once() -> Result<()> {
    // 1 range has 1024 blocks: these are 3 ranges.
    let schema = "create table public.t (id int primary key, n int, pad text); \
         alter table public.t alter column pad set storage plain; \
         insert into public.t select i, i, repeat('x', 5000) from generate_series(1, 2100) i";
    let operations = "operations:\n  - add_column: { name: extra, type: text }\n\
         backfill: { workers: 3, batch_size: 200 }\n";
    let fixture = Fixture::start(schema, operations).await?;
    let gate = Gate::closed(&fixture, Place::Copied).await?;
    let mut job = fixture.run().await?;
    // All at once, each in a range of its own.
    gate.reached_by(3, &mut job).await?;
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    assert_eq!(fixture.rows_counted().await?, 2100);
    let ranges =
        "select count(*) from crossfade.task_range where rows_copied > 0 and state = 'done'";
    assert_eq!(fixture.number(ranges).await?, 3);
    fixture.assert_copied(2100).await
}

#[tokio::test]
async fn a_stop_ends_the_run_after_the_chunk_and_the_next_one_goes_on() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Copied).await?;
    let job = fixture.job().await?;
    let stop = job.stop.clone();
    let mut job: Running = spawn(job);
    gate.reached(&mut job).await?;
    stop.cancel();
    gate.open().await?;
    assert_eq!(job.await??, crossfade_backfill::Ending::Stopped);
    assert_eq!(
        fixture.rows_counted().await?,
        1,
        "the chunk under way is finished"
    );
    fixture.copy_all().await?;
    assert_eq!(fixture.rows_counted().await?, 4);
    fixture.assert_copied(4).await
}
