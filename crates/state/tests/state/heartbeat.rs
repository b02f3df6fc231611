//! The heartbeat task keeps a lease, and tells when it is lost.

use std::time::Duration;

use crossfade_state::HeartbeatTask;
use crossfade_testkit::{Result, Role};

use crate::fixture::{Fixture, acquire};

const TTL: Duration = Duration::from_secs(2);

/// Waits as long as a test waits for any state.
async fn until_lost(task: &HeartbeatTask) -> Result<()> {
    Ok(tokio::time::timeout(Duration::from_secs(30), task.lost().cancelled()).await?)
}

#[tokio::test]
async fn it_keeps_the_lease_past_its_time() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let task = HeartbeatTask::spawn(store.clone(), acquire(&store, id, TTL).await?);
    let renewed = "select expires_at > acquired_at + interval '3 seconds' from crossfade.lease";
    fixture.observer.wait_until(renewed).await?;
    assert!(!task.lost().is_cancelled());
    let lost = task.lost().clone();
    task.stop().await;
    assert!(!lost.is_cancelled(), "stopped is not lost");
    let session = store.session("test").await?;
    assert!(store.lease_holder(&session, id).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn it_tells_when_another_runner_has_the_lease() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let task = HeartbeatTask::spawn(store.clone(), acquire(&store, id, TTL).await?);
    // As a takeover leaves it.
    fixture
        .observer
        .run("update crossfade.lease set epoch = epoch + 1, owner = 'elsewhere/1/00000000-0000-0000-0000-000000000000'")
        .await?;
    until_lost(&task).await?;
    task.stop().await;
    Ok(())
}

#[tokio::test]
async fn it_tells_when_no_heartbeat_gets_through() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let lease = acquire(&store, id, Duration::from_millis(600)).await?;
    let gate = fixture.database.session("gate", Role::Migrator).await?;
    gate.run("begin; select from crossfade.lease for update")
        .await?;
    let task = HeartbeatTask::spawn(store.clone(), lease);
    until_lost(&task).await?;
    gate.run("rollback").await?;
    task.stop().await;
    Ok(())
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let lease = acquire(&store, id, Duration::from_millis(300)).await?;
    drop(HeartbeatTask::spawn(store.clone(), lease));
    fixture
        .observer
        .wait_until("select expires_at <= pg_catalog.clock_timestamp() from crossfade.lease")
        .await?;
    Ok(())
}
