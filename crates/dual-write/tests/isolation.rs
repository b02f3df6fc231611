//! Writers above READ COMMITTED whose snapshot is older than the copy of the row.

mod fixture;

use crossfade_testkit::Result;
use fixture::{Fixture, copy, key, mapping, sqlstate};

const TABLES: &str = "create table public.source (id integer primary key, v text); \
     create table public.source__new (id integer primary key, v text)";

async fn start() -> Result<Fixture> {
    let fixture = Fixture::start(
        TABLES,
        mapping(vec![key("id", "integer")], vec![copy("id"), copy("v")]),
    )
    .await?;
    // The row is older than dual-write.
    fixture
        .admin
        .run("set session_replication_role = replica; alter table public.source disable trigger all; \
              insert into public.source values (1, 'one'), (2, 'two'); \
              alter table public.source enable always trigger \"!crossfade_race_forward\"; \
              alter table public.source enable always trigger \"!crossfade_race_forward_truncate\"; \
              reset session_replication_role")
        .await?;
    Ok(fixture)
}

/// Runs `statement` in a transaction whose snapshot is older than the backfill.
async fn with_old_snapshot(isolation: &str, statement: &str) -> Result<(Fixture, String)> {
    let fixture = start().await?;
    let app = fixture.app("old snapshot").await?;
    app.run(&format!(
        "begin isolation level {isolation}; select from public.source"
    ))
    .await?;
    fixture.backfill().await?;
    let state = sqlstate(app.run(statement).await);
    app.run("rollback").await?;
    fixture.assert_equal("id, v").await?;
    Ok((fixture, state))
}

#[tokio::test]
async fn repeatable_read_delete_with_an_old_snapshot_gets_40001() -> Result<()> {
    let (_, state) =
        with_old_snapshot("repeatable read", "delete from public.source where id = 1").await?;
    assert_eq!(state, "40001");
    Ok(())
}

#[tokio::test]
async fn serializable_delete_with_an_old_snapshot_gets_40001() -> Result<()> {
    let (_, state) =
        with_old_snapshot("serializable", "delete from public.source where id = 1").await?;
    assert_eq!(state, "40001");
    Ok(())
}

#[tokio::test]
async fn repeatable_read_key_update_with_an_old_snapshot_gets_40001() -> Result<()> {
    let (_, state) = with_old_snapshot(
        "repeatable read",
        "update public.source set id = 9 where id = 1",
    )
    .await?;
    assert_eq!(state, "40001");
    Ok(())
}

#[tokio::test]
async fn serializable_key_update_with_an_old_snapshot_gets_40001() -> Result<()> {
    let (_, state) = with_old_snapshot(
        "serializable",
        "update public.source set id = 9 where id = 1",
    )
    .await?;
    assert_eq!(state, "40001");
    Ok(())
}

#[tokio::test]
async fn repeatable_read_update_with_an_old_snapshot_gets_40001() -> Result<()> {
    let (_, state) = with_old_snapshot(
        "repeatable read",
        "update public.source set v = 'new' where id = 1",
    )
    .await?;
    assert_eq!(state, "40001");
    Ok(())
}

#[tokio::test]
async fn the_repeated_transaction_succeeds() -> Result<()> {
    let (fixture, _) =
        with_old_snapshot("repeatable read", "delete from public.source where id = 1").await?;
    let app = fixture.app("again").await?;
    app.run(
        "begin isolation level repeatable read; delete from public.source where id = 1; commit",
    )
    .await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn repeatable_read_delete_of_a_row_not_yet_copied_leaves_nothing() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    app.run(
        "begin isolation level repeatable read; delete from public.source where id = 1; commit",
    )
    .await?;
    fixture.backfill().await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn repeatable_read_delete_waits_for_an_uncommitted_copy_and_gets_40001() -> Result<()> {
    // The chunk holds the row lock while it is open, so the delete waits for it; after its commit
    // the copy is newer than the snapshot.
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    app.run("begin isolation level repeatable read; select from public.source")
        .await?;
    fixture.admin.run("begin").await?;
    fixture.backfill().await?;
    let delete = app.start("delete from public.source where id = 1");
    let observer = fixture
        .database
        .session("observer", crossfade_testkit::Role::Superuser)
        .await?;
    assert_eq!(
        observer.wait_until_blocked(app.pid()).await?,
        [fixture.admin.pid()]
    );
    fixture.admin.run("commit").await?;
    assert_eq!(sqlstate(delete.await?), "40001");
    app.run("rollback").await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn read_committed_delete_waits_for_an_uncommitted_copy_and_removes_it() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    fixture.admin.run("begin").await?;
    fixture.backfill().await?;
    let delete = app.start("delete from public.source where id = 1");
    let observer = fixture
        .database
        .session("observer", crossfade_testkit::Role::Superuser)
        .await?;
    assert_eq!(
        observer.wait_until_blocked(app.pid()).await?,
        [fixture.admin.pid()]
    );
    fixture.admin.run("commit").await?;
    delete.await??;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn inserting_a_key_that_another_deleted_and_brought_back_gets_40001_not_21000() -> Result<()>
{
    let fixture = start().await?;
    fixture.backfill().await?;
    let (app, other) = (fixture.app("app").await?, fixture.app("other").await?);
    app.run("begin isolation level repeatable read; select from public.source")
        .await?;
    other.run("delete from public.source where id = 1").await?;
    let state = sqlstate(
        app.run("insert into public.source values (1, 'again')")
            .await,
    );
    assert_eq!(state, "40001");
    app.run("rollback").await?;
    fixture.assert_equal("id, v").await
}
