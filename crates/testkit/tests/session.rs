//! Sessions: a wait for a lock is seen, with those who cause it.

use crossfade_testkit::{Result, Role, Session, TestDatabase};

/// True once `observer` has looked for the first time at what it waits for: what
/// happens from then on, it has to wait for.
fn has_looked(observer: &Session) -> String {
    format!(
        "select state = 'idle' and query ~ 'pg_blocking_pids|exists'
           from pg_catalog.pg_stat_activity where pid = {}",
        observer.pid()
    )
}

#[tokio::test]
async fn a_blocked_session_is_seen_with_its_blocker() -> Result<()> {
    let database = TestDatabase::create().await?;
    let observer = database.session("observer", Role::Superuser).await?;
    let first = database.session("first", Role::Migrator).await?;
    let second = database.session("second", Role::Migrator).await?;
    first
        .run("create table public.t (id int primary key); insert into public.t values (1)")
        .await?;

    first.run("begin; update public.t set id = 2").await?;
    let watcher = database.session("watcher", Role::Superuser).await?;
    let block = async {
        watcher.wait_until(&has_looked(&observer)).await?;
        Result::Ok(second.start("update public.t set id = id + 10"))
    };
    let (blockers, update) = tokio::join!(observer.wait_until_blocked(second.pid()), block);
    let update = update?;
    assert_eq!(blockers?, [first.pid()]);
    assert!(!update.is_finished());

    first.run("commit").await?;
    update.await??;
    let id: i32 = observer.query_one_value("select id from public.t").await?;
    assert_eq!(id, 12);
    Ok(())
}

#[tokio::test]
async fn a_session_is_known_by_its_name() -> Result<()> {
    let database = TestDatabase::create().await?;
    let observer = database.session("observer", Role::Superuser).await?;
    let named = database.session("a long reader", Role::App).await?;
    let sql = "select pid from pg_catalog.pg_stat_activity
                where application_name = 'a long reader' and datname = pg_catalog.current_database()";
    assert_eq!(observer.query_one_value::<i32>(sql).await?, named.pid());
    Ok(())
}

#[tokio::test]
async fn a_state_is_waited_for() -> Result<()> {
    let database = TestDatabase::create().await?;
    let observer = database.session("observer", Role::Superuser).await?;
    let writer = database.session("writer", Role::Migrator).await?;
    writer.run("create table public.t (id int)").await?;
    let watcher = database.session("watcher", Role::Superuser).await?;
    let exists = "select exists (select from public.t)";
    let wait = async {
        observer.wait_until(exists).await?;
        Result::Ok(observer.query_one_value::<bool>(exists).await?)
    };
    let write = async {
        watcher.wait_until(&has_looked(&observer)).await?;
        Result::Ok(writer.run("insert into public.t values (1)").await?)
    };
    let (seen, written) = tokio::join!(wait, write);
    written?;
    assert!(seen?);
    let failed = observer
        .wait_until("select false from public.missing")
        .await;
    assert!(failed.is_err());
    Ok(())
}
