//! The horizon: whose snapshots are waited for, and whose are not.

use std::time::Duration;

use crossfade_backfill::{BackfillError, wait_for_horizon};
use crossfade_plan::event::{Event, EventSink};
use crossfade_postgres::TransactionSettings;
use crossfade_state::Horizon;
use crossfade_testkit::{Result, Role, Session};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, ROW_BY_ROW, SMALL};

/// Waits as after a write of ours.
async fn wait(fixture: &Fixture, patience: Duration) -> Result<Waited> {
    forget(fixture).await?;
    Ok(go_on(fixture, patience).await)
}

async fn forget(fixture: &Fixture) -> Result<()> {
    let (store, lease) = (&fixture.store, &fixture.lease);
    let transaction = store
        .begin_fenced(lease, "race/forget", &TransactionSettings::default())
        .await?;
    store
        .forget_horizon(&transaction, lease.migration())
        .await?;
    transaction.commit().await?;
    Ok(())
}

type Waited = std::result::Result<bool, BackfillError>;

/// Waits, or goes on with the wait that was broken off.
async fn go_on(fixture: &Fixture, patience: Duration) -> Waited {
    let (stop, events) = (CancellationToken::new(), EventSink::new(|_: Event| {}));
    let (store, lease) = (&fixture.store, &fixture.lease);
    wait_for_horizon(store, lease, "race/horizon", patience, &stop, &events).await
}

/// What the snapshots of before do not see.
const WRITE: &str = "update public.t set n = n + 1";

/// Waits until nothing that has begun before is open, in whatever database: a new snapshot counts
/// as old as the oldest of these.
async fn earlier_ones_are_over(fixture: &Fixture) -> Result<()> {
    let now = "select pg_current_xact_id()::text::int8";
    let now: i64 = fixture.admin.query_one_value(now).await?;
    let over = format!("select pg_snapshot_xmin(pg_current_snapshot())::text::int8 > {now}");
    fixture.admin.wait_until(&over).await?;
    Ok(())
}

/// It passes, though the others are there: they would be for longer than it waits.
async fn passes(fixture: &Fixture) -> Result<()> {
    assert!(wait(fixture, Duration::from_secs(10)).await??);
    Ok(())
}

#[tokio::test]
async fn an_old_snapshot_is_waited_for_and_named() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let reader = fixture.app("reader").await?;
    let (table, writer) = (
        "select count(*) from public.t",
        fixture.app("writer").await?,
    );
    for isolation in ["repeatable read", "serializable"] {
        reader
            .run(&format!("begin isolation level {isolation}; {table}"))
            .await?;
        writer.run(WRITE).await?;
        match wait(&fixture, Duration::ZERO).await? {
            Err(BackfillError::HorizonHeld { open, pids }) => {
                assert_eq!((open, pids.as_slice()), (1, [reader.pid()].as_slice()));
            }
            other => panic!("{other:?}"),
        }
        reader.run("commit").await?;
        passes(&fixture).await?;
    }
    // A cursor keeps the snapshot of its statement at READ COMMITTED too.
    reader
        .run("begin; declare c cursor for select id from public.t; fetch c")
        .await?;
    writer.run(WRITE).await?;
    assert!(matches!(
        wait(&fixture, Duration::ZERO).await?,
        Err(BackfillError::HorizonHeld { open: 1, .. })
    ));
    reader.run("commit").await?;
    passes(&fixture).await
}

#[tokio::test]
async fn a_wait_that_was_broken_off_goes_on_and_is_not_begun_anew() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let (old, young) = (fixture.app("old").await?, fixture.app("young").await?);
    let open = "begin isolation level repeatable read; select count(*) from public.t";
    old.run(open).await?;
    fixture.admin.run(WRITE).await?;
    let held = |waited: Waited| matches!(waited, Err(BackfillError::HorizonHeld { open: 1, .. }));
    assert!(held(wait(&fixture, Duration::ZERO).await?));
    // Sees all that was written before the mark, but not what comes now.
    earlier_ones_are_over(&fixture).await?;
    young.run(open).await?;
    fixture.admin.run(WRITE).await?;
    assert!(held(go_on(&fixture, Duration::ZERO).await));
    old.run("commit").await?;
    assert!(go_on(&fixture, Duration::ZERO).await?);
    let session = fixture.store.session("test").await?;
    let known = fixture.store.horizon(&session, fixture.migration).await?;
    assert_eq!(known, Horizon::Passed);
    // It has come to its end: whoever is there now does not matter.
    old.run(open).await?;
    assert!(go_on(&fixture, Duration::ZERO).await?);
    // A write of ours begins it anew.
    fixture.admin.run(WRITE).await?;
    forget(&fixture).await?;
    match go_on(&fixture, Duration::ZERO).await {
        Err(BackfillError::HorizonHeld { open: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    young.run("commit").await?;
    old.run("commit").await?;
    assert!(go_on(&fixture, Duration::ZERO).await?);
    Ok(())
}

#[tokio::test]
async fn a_wait_ends_when_the_snapshot_is_gone_and_not_when_younger_ones_come() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let (old, young) = (fixture.app("old").await?, fixture.app("young").await?);
    let open = "begin isolation level repeatable read; select count(*) from public.t";
    old.run(open).await?;
    young.run(WRITE).await?;
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let events = EventSink::new(move |event| drop(told.send(event)));
    let (store, lease) = (fixture.store.clone(), fixture.lease.clone());
    let waiting = tokio::spawn(async move {
        let (patience, stop) = (Duration::from_secs(20), CancellationToken::new());
        wait_for_horizon(&store, &lease, "race/horizon", patience, &stop, &events).await
    });
    let first = hears.recv().await;
    assert!(matches!(first, Some(Event::Waiting(_))), "{first:?}");
    young.run(open).await?;
    fixture.admin.run(WRITE).await?;
    old.run("commit").await?;
    assert!(waiting.await??);
    assert_eq!(hears.recv().await, Some(Event::Resumed));
    young.run("commit").await?;
    Ok(())
}

#[tokio::test]
async fn what_holds_no_snapshot_is_not_waited_for() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    // A transaction id without a snapshot.
    let idle = fixture.app("idle").await?;
    idle.run("begin; update public.t set n = 22 where id = 2")
        .await?;
    passes(&fixture).await?;
    idle.run("rollback").await?;

    // A prepared transaction: it can run no statement any more.
    let gid = format!("'{}'", fixture.database.name());
    let superuser = fixture
        .database
        .session("prepares", Role::Superuser)
        .await?;
    superuser
        .run(&format!(
            "begin; create table public.other (); prepare transaction {gid}"
        ))
        .await?;
    let passed = passes(&fixture).await;
    superuser.run(&format!("rollback prepared {gid}")).await?;
    passed
}

#[tokio::test]
async fn another_database_is_not_waited_for() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let url = fixture.database.server().maintenance_url();
    let elsewhere = Session::connect(&url, "elsewhere").await?;
    elsewhere
        .run("begin isolation level repeatable read; select count(*) from pg_class")
        .await?;
    passes(&fixture).await?;
    elsewhere.run("commit").await?;
    Ok(())
}

#[tokio::test]
async fn a_vacuum_is_not_waited_for() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    // One that takes minutes.
    let vacuum = fixture.database.session("vacuum", Role::Superuser).await?;
    vacuum
        .run(
            "create table public.big as select i from generate_series(1, 200000) i; \
              set vacuum_cost_delay = '100ms'; set vacuum_cost_limit = 1",
        )
        .await?;
    let running = vacuum.start("vacuum public.big");
    let under_way = format!(
        "select exists (select from pg_stat_progress_vacuum v join pg_stat_activity a using (pid) \
             where v.pid = {} and v.phase = 'scanning heap' and a.backend_xmin is not null)",
        vacuum.pid()
    );
    fixture.admin.wait_until(&under_way).await?;
    passes(&fixture).await?;
    let still: bool = fixture.admin.query_one_value(&under_way).await?;
    assert!(still, "the vacuum has ended meanwhile: nothing is proved");
    fixture
        .admin
        .run(&format!("select pg_cancel_backend({})", vacuum.pid()))
        .await?;
    let ended = running.await?;
    assert_eq!(
        ended.err().and_then(|error| error.code().cloned()),
        Some(tokio_postgres::error::SqlState::QUERY_CANCELED)
    );
    Ok(())
}
