//! The backfill gives way: bounded waits, locks in the order of TRUNCATE, cheap plans.

use crossfade_backfill::BackfillError;
use crossfade_testkit::{Result, Role};

use crate::fixture::{ALL, Fixture, ROW_BY_ROW, SMALL, WIDE};
use crate::gate::{Gate, Place};

/// Copies under a `deadlock_timeout`, and returns the `lock_timeout` of the chunks.
async fn lock_timeout_under(deadlock_timeout: &str) -> Result<String> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let database = fixture.database.name();
    fixture
        .admin
        .run(&format!(
            "alter database {database} set deadlock_timeout = '{deadlock_timeout}'; \
             create table public.seen (lock_timeout text); grant insert on public.seen to public; \
             create function public.see() returns trigger language plpgsql as $$ begin \
                 insert into public.seen values (current_setting('lock_timeout')); return null; end $$; \
             create trigger see after insert on {} for each statement execute function public.see()",
            fixture.target()
        ))
        .await?;
    fixture.copy_all().await?;
    let seen = "select min(lock_timeout) || case when count(distinct lock_timeout) > 1 then ' and others' else '' end from public.seen";
    Ok(fixture.admin.query_one_value(seen).await?)
}

#[tokio::test]
async fn no_lock_is_waited_for_longer_than_half_of_deadlock_timeout() -> Result<()> {
    assert_eq!(lock_timeout_under("1s").await?, "200ms");
    assert_eq!(lock_timeout_under("100ms").await?, "50ms");
    Ok(())
}

#[tokio::test]
async fn an_application_that_locks_in_another_order_is_no_deadlock_victim() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Copied).await?;
    let app = fixture.app("app").await?;
    app.run("begin; update public.t set n = 33 where id = 3")
        .await?;
    let mut job = fixture.run().await?;
    let chunk = gate.reached(&mut job).await?;
    // It holds row 3 and wants row 1; the chunk holds row 1, and would want row 3.
    let waiting = app.start("update public.t set n = 11 where id = 1; commit");
    assert_eq!(fixture.admin.wait_until_blocked(app.pid()).await?, [chunk]);
    gate.open().await?;
    waiting.await??;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn the_source_is_locked_before_the_target() -> Result<()> {
    let fixture = Fixture::start(WIDE, ROW_BY_ROW).await?;
    let gate = Gate::closed(&fixture, Place::Snapshot).await?;
    let mut job = fixture.run().await?;
    let chunk = gate.reached(&mut job).await?;
    // The first half of TRUNCATE; the second one locks the target.
    let truncate = fixture.app("truncate").await?;
    let lock = truncate.start("begin; lock table only public.t in access exclusive mode");
    assert_eq!(
        fixture.admin.wait_until_blocked(truncate.pid()).await?,
        [chunk]
    );
    gate.open().await?;
    lock.await??;
    // What those have locked who wait for it now.
    let held = format!(
        "select array_agg(l.relation::regclass::text) from pg_stat_activity a \
         left join pg_locks l on l.pid = a.pid and l.granted and l.relation = '{}'::regclass \
         where {} = any (pg_blocking_pids(a.pid))",
        fixture.target(),
        truncate.pid()
    );
    let held = loop {
        let found: Option<Vec<Option<String>>> = fixture.admin.query_one_value(&held).await?;
        if let Some(found) = found {
            break found;
        }
        assert!(!job.is_finished(), "nobody waits for the lock");
    };
    assert_eq!(
        held,
        [None],
        "the target is locked by one who waits for the source"
    );
    truncate.run("rollback").await?;
    assert_eq!(job.await??, ALL);
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn a_chunk_that_would_read_the_whole_target_is_refused() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let (target, key) = (fixture.target(), "pg_constraint where conrelid = ");
    let name: String = fixture
        .admin
        .query_one_value(&format!(
            "select quote_ident(conname) from {key}'{target}'::regclass and contype = 'p'"
        ))
        .await?;
    // Nothing tells where a key is.
    fixture
        .admin
        .run(&format!("alter table {target} drop constraint {name}"))
        .await?;
    match fixture.run().await?.await? {
        Err(BackfillError::PlanShape { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.copied().await?, 0);
    Ok(())
}

/// The server reads a tiny target whole, whatever it is told: that is no reason to stop.
#[tokio::test]
async fn a_tiny_target_may_be_read_whole() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    fixture.copy_all().await?;
    let target = fixture.target();
    let again = format!(
        "delete from {target} where id = 2; delete from crossfade.task_range; \
         analyze public.t; analyze {target}"
    );
    fixture.admin.run(&again).await?;
    fixture.copy_all().await?;
    fixture.assert_copied(4).await
}

#[tokio::test]
async fn a_chunk_sees_what_row_level_security_hides() -> Result<()> {
    let fixture = Fixture::start(SMALL, ROW_BY_ROW).await?;
    let app = fixture.database.session("owner", Role::Migrator).await?;
    // The owner is not subject to it unless it is forced.
    app.run(&format!(
        "set role {}; alter table public.t enable row level security; \
         create policy few on public.t using (id < 3)",
        fixture.database.owner()
    ))
    .await?;
    fixture.copy_all().await?;
    fixture.assert_copied(4).await
}
