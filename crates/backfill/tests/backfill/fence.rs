//! One runner: who lost the lease commits nothing, and who takes it over waits for what is open.

use crossfade_backfill::BackfillError;
use crossfade_state::StateError;
use crossfade_testkit::Result;

use crate::fixture::{Fixture, ROW_BY_ROW, WIDE, acquire};
use crate::gate::{Gate, Place};

/// The time of the lease is up.
const EXPIRE: &str = "update crossfade.lease set heartbeat_at = clock_timestamp() - interval '1 hour', \
     expires_at = clock_timestamp() - interval '1 second'";

fn assert_fenced_out(ended: std::result::Result<crossfade_backfill::Ending, BackfillError>) {
    match ended {
        Err(BackfillError::State(StateError::FencedOut { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_takeover_waits_for_the_open_chunk_and_then_the_old_runner_is_out() -> Result<()> {
    let mut fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Copied).await?;
    let mut job = fixture.run().await?;
    let chunk = gate.reached(&mut job).await?;
    fixture.admin.run(EXPIRE).await?;
    let (store, id) = (fixture.store.clone(), fixture.migration);
    let mut takeover = tokio::spawn(async move { acquire(&store, id).await });
    let waits = format!(
        "select exists (select from pg_stat_activity where {chunk} = any (pg_blocking_pids(pid)))"
    );
    tokio::select! {
        waiting = fixture.admin.wait_until(&waits) => waiting?,
        taken = &mut takeover => {
            taken??;
            panic!("the lease was taken over while a chunk was open under it");
        }
    }
    gate.open().await?;
    let lease = takeover.await??;
    assert_fenced_out(job.await?);
    assert_eq!(
        fixture.copied().await?,
        1,
        "the chunk that was open, and no other"
    );
    assert_eq!(fixture.rows_counted().await?, 1);

    fixture.lease = lease;
    fixture.copy_all().await?;
    assert_eq!(fixture.rows_counted().await?, 4);
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn a_runner_whose_lease_was_taken_over_copies_nothing() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let job = fixture.job().await?;
    fixture.admin.run(EXPIRE).await?;
    acquire(&fixture.store, fixture.migration).await?;
    assert_fenced_out(Box::pin(job.run()).await);
    assert_eq!(fixture.copied().await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_runner_whose_lease_has_expired_copies_nothing() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let job = fixture.job().await?;
    fixture.admin.run(EXPIRE).await?;
    assert_fenced_out(Box::pin(job.run()).await);
    assert_eq!(fixture.copied().await?, 0);
    Ok(())
}
