//! Repair: every kind of damage is mended, and voids what was proved.

use std::time::Duration;

use crossfade_plan::Stage;
use crossfade_plan::mapping::Rewrite;
use crossfade_state::{Direction, MismatchKind, Verdict};
use crossfade_testkit::{Result, Role};

use crate::fixture::{
    Fixture, cast, copy, id_and, key, key_in, mapping, mismatch, wait_until_none_waits_for,
    wait_until_some_wait_for,
};

async fn loaded() -> Result<Fixture> {
    let (ddl, mapping) = id_and("text");
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .load("select i, 'row ' || i from generate_series(1, 30) i")
        .await?;
    Ok(fixture)
}

const DAMAGE: &str = "delete from public.source__new where id in (1, 17); \
     update public.source__new set v = null where id = 9; \
     update public.source__new set v = 'stale' where id = 30; \
     insert into public.source__new values (-1, 'ghost'), (31, 'ghost')";

#[tokio::test]
async fn every_kind_is_mended_and_a_later_pass_is_clean() -> Result<()> {
    let fixture = loaded().await?;
    fixture.damage(DAMAGE).await?;
    let report = fixture.full().await?;
    fixture.finish(&report).await?;
    let repaired = fixture
        .job
        .repair(report.verification, &fixture.actor)
        .await?;
    assert_eq!(
        (repaired.rederived, repaired.removed, repaired.unchanged),
        (4, 2, 0)
    );
    assert!(
        repaired.voided && repaired.refused.is_empty(),
        "{repaired:?}"
    );
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    let again = fixture
        .job
        .repair(report.verification, &fixture.actor)
        .await?;
    assert_eq!((again.removed, again.unchanged), (0, 2));
    Ok(())
}

#[tokio::test]
async fn it_voids_what_was_proved() -> Result<()> {
    let fixture = loaded().await?;
    fixture.damage(DAMAGE).await?;
    let found = fixture.full().await?;
    let store = &fixture.job.store;
    let transaction = store
        .begin_fenced(
            &fixture.job.lease,
            "test",
            &crossfade_postgres::TransactionSettings::default(),
        )
        .await?;
    let id = fixture.job.lease.migration();
    store
        .advance(
            &transaction,
            id,
            crossfade_plan::Progress::Verified,
            &fixture.actor,
        )
        .await?;
    transaction.commit().await?;
    fixture
        .job
        .repair(found.verification, &fixture.actor)
        .await?;
    let session = store.session("test").await?;
    assert_eq!(
        store.migration(&session, id).await?.stage,
        Stage::Backfilled
    );
    let voided = store
        .verification(&session, found.verification)
        .await?
        .ok_or("none")?;
    assert!(!voided.valid);
    Ok(())
}

#[tokio::test]
async fn keys_of_another_type_are_mended() -> Result<()> {
    for (sql_type, base) in [("numeric(12,2)", "numeric"), ("text", "text")] {
        let ddl = format!(
            "create table public.source (id integer primary key, v text); \
             create table public.source__new (id {sql_type} primary key, v text)"
        );
        let mapping = mapping(
            vec![key_in("pg_catalog", "id", "integer", sql_type)],
            vec![cast("id", sql_type, base), copy("v", "text")],
        );
        let fixture = Fixture::start(&ddl, mapping).await?;
        fixture
            .load("select i, 'row ' || i from generate_series(1, 30) i")
            .await?;
        fixture
            .damage(
                "delete from public.source__new where v = 'row 3'; \
                 update public.source__new set v = 'x' where v = 'row 4'; \
                 insert into public.source__new values ('99', 'ghost')",
            )
            .await?;
        let report = fixture.full().await?;
        assert_eq!(report.differences, 3, "{sql_type}");
        let repaired = fixture
            .job
            .repair(report.verification, &fixture.actor)
            .await?;
        assert_eq!((repaired.rederived, repaired.removed), (2, 1), "{sql_type}");
        assert_eq!(fixture.full().await?.verdict, Verdict::Exact, "{sql_type}");
    }
    Ok(())
}

/// What an upsert never sets again is right only in a new row.
#[tokio::test]
async fn a_column_that_is_set_once_is_mended() -> Result<()> {
    let columns = "(id integer primary key, n integer generated always as identity, v text)";
    let ddl =
        format!("create table public.source {columns}; create table public.source__new {columns}");
    let mut n = copy("n", "integer");
    n.rewrite = Rewrite::Never;
    let mapping = mapping(
        vec![key("id", "integer")],
        vec![copy("id", "integer"), n, copy("v", "text")],
    );
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .admin
        .run("insert into public.source (id, v) select i, 'row' from generate_series(1, 9) i")
        .await?;
    fixture
        .damage(
            "delete from public.source__new where id = 5; \
             insert into public.source__new overriding system value values (5, 500, 'row')",
        )
        .await?;
    let report = fixture.full().await?;
    let found = fixture.mismatches(&report).await?;
    assert_eq!(found, [mismatch(MismatchKind::Different, &["5"], &["n"])]);
    fixture
        .job
        .repair(report.verification, &fixture.actor)
        .await?;
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    Ok(())
}

/// The source's row is deleted past the triggers after it was found to differ.
#[tokio::test]
async fn a_row_whose_source_is_gone_is_removed() -> Result<()> {
    let fixture = loaded().await?;
    fixture
        .damage("update public.source__new set v = 'stale' where id = 7")
        .await?;
    let report = fixture.full().await?;
    fixture
        .admin
        .run(
            "alter table public.source disable trigger user; delete from public.source where id = 7; \
             alter table public.source enable trigger user",
        )
        .await?;
    let repaired = fixture
        .job
        .repair(report.verification, &fixture.actor)
        .await?;
    assert_eq!((repaired.rederived, repaired.removed), (0, 1));
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    Ok(())
}

#[tokio::test]
async fn a_row_that_the_target_refuses_is_named() -> Result<()> {
    let fixture = loaded().await?;
    fixture
        .damage("delete from public.source__new where id in (3, 4)")
        .await?;
    let report = fixture.full().await?;
    fixture
        .damage("alter table public.source__new add check (v <> 'row 3') not valid")
        .await?;
    let repaired = fixture
        .job
        .repair(report.verification, &fixture.actor)
        .await?;
    assert_eq!(
        repaired.refused,
        [(vec!["3".to_owned()], "23514".to_owned())]
    );
    assert_eq!(repaired.rederived, 1);
    Ok(())
}

/// A writer has brought the orphan's key back and not committed yet. Its mirrored row took the
/// orphan's place, so the repair waits for it, and must see the new source row then.
#[tokio::test]
async fn a_key_that_a_writer_brings_back_is_not_removed() -> Result<()> {
    let fixture = loaded().await?;
    fixture
        .damage("insert into public.source__new values (77, 'ghost')")
        .await?;
    let report = fixture.full().await?;
    assert_eq!(report.extra, 1);
    let app = fixture.database.session("app", Role::App).await?;
    app.run("begin; insert into public.source values (77, 'back')")
        .await?;
    let waiting = async {
        wait_until_some_wait_for(&fixture.admin, app.pid()).await?;
        app.run("commit").await?;
        Ok::<_, crossfade_testkit::Error>(())
    };
    let repair = fixture.job.repair(report.verification, &fixture.actor);
    let (repaired, committed) = tokio::join!(repair, waiting);
    committed?;
    let repaired = repaired?;
    assert_eq!((repaired.removed, repaired.unchanged), (0, 1));
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    Ok(())
}

/// A writer holds the row for longer than the repair waits at a time.
#[tokio::test]
async fn a_held_row_is_tried_again() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.settings.lock_timeout = Duration::from_millis(5);
    fixture
        .damage("update public.source__new set v = 'stale' where id = 7")
        .await?;
    let report = fixture.full().await?;
    let app = fixture.database.session("app", Role::App).await?;
    app.run("begin; select from public.source where id = 7 for update")
        .await?;
    let letting_go = async {
        // Seen waiting again and again: each wait ends by its timeout.
        for _ in 0..3 {
            wait_until_some_wait_for(&fixture.admin, app.pid()).await?;
            wait_until_none_waits_for(&fixture.admin, app.pid()).await?;
        }
        app.run("rollback").await?;
        Ok::<_, crossfade_testkit::Error>(())
    };
    let repair = fixture.job.repair(report.verification, &fixture.actor);
    let (repaired, let_go) = tokio::join!(repair, letting_go);
    let_go?;
    assert_eq!(repaired?.rederived, 1);
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    Ok(())
}

/// After the cutover there is no gate to shut.
#[tokio::test]
async fn the_way_back_is_mended_too() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.direction = Direction::Reverse;
    fixture.damage(DAMAGE).await?;
    let report = fixture.full().await?;
    assert_eq!(report.direction, Direction::Reverse);
    let repaired = fixture
        .job
        .repair(report.verification, &fixture.actor)
        .await?;
    assert_eq!((repaired.rederived, repaired.removed), (4, 2));
    assert!(!repaired.voided);
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    Ok(())
}
