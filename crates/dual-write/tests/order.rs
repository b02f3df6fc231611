//! Writes whose row events come in an order that does not follow the rows: nested user triggers,
//! rewriting triggers, keys that change places.

mod fixture;

use crossfade_testkit::Result;
use fixture::{Fixture, copy, key, mapping};

const TABLES: &str = "create table public.source (id integer primary key, v text); \
     create table public.source__new (id integer primary key, v text)";

async fn start(ddl: &str) -> Result<Fixture> {
    Fixture::start(
        ddl,
        mapping(vec![key("id", "integer")], vec![copy("id"), copy("v")]),
    )
    .await
}

#[tokio::test]
async fn a_user_trigger_that_updates_another_row_of_the_statement_leaves_no_stale_row() -> Result<()>
{
    // The trigger of row 1 changes row 2 before the statement's own event for row 2 fires, whose
    // NEW is then stale.
    let fixture = start(&format!(
        "{TABLES}; create function public.touch_next() returns trigger language plpgsql as $$ begin \
             if pg_trigger_depth() = 1 and new.id = 1 then \
                 update public.source set v = 'by trigger' where id = 2; end if; \
             return null; end $$; \
         create trigger a_touch after update on public.source for each row execute function public.touch_next()"
    ))
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'one'), (2, 'two'), (3, 'three')")
        .await?;
    app.run("update public.source set v = v || '!'").await?;
    let changed: String = fixture
        .admin
        .query_one_value("select v from public.source where id = 2")
        .await?;
    assert_eq!(changed, "by trigger", "the user trigger ran");
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn a_user_trigger_that_deletes_another_row_of_the_statement_leaves_no_ghost() -> Result<()> {
    let fixture = start(&format!(
        "{TABLES}; create function public.delete_next() returns trigger language plpgsql as $$ begin \
             if pg_trigger_depth() = 1 and new.id = 1 then \
                 delete from public.source where id = 2; end if; \
             return null; end $$; \
         create trigger a_delete after update on public.source for each row execute function public.delete_next()"
    ))
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'one'), (2, 'two'), (3, 'three')")
        .await?;
    app.run("update public.source set v = v || '!'").await?;
    let rows: i64 = fixture
        .admin
        .query_one_value("select count(*) from public.source")
        .await?;
    assert_eq!(rows, 2, "the user trigger ran");
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn a_before_trigger_that_rewrites_new_is_mirrored_as_written() -> Result<()> {
    let fixture = start(&format!(
        "{TABLES}; create function public.upper_v() returns trigger language plpgsql as $$ begin \
             new.v := upper(new.v); return new; end $$; \
         create trigger z_upper before insert or update on public.source for each row execute function public.upper_v()"
    ))
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'one'); update public.source set v = 'two' where id = 1").await?;
    let seen: String = fixture
        .admin
        .query_one_value("select v from public.source__new")
        .await?;
    assert_eq!(seen, "TWO");
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn keys_that_swap_places_in_one_transaction_are_mirrored() -> Result<()> {
    let fixture = start(TABLES).await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'one'), (2, 'two')")
        .await?;
    for isolation in ["read committed", "repeatable read", "serializable"] {
        app.run(&format!(
            "begin isolation level {isolation}; update public.source set id = -1 where id = 1; \
             update public.source set id = 1 where id = 2; update public.source set id = 2 where id = -1; commit"
        ))
        .await?;
        fixture.assert_equal("id, v").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_deferrable_key_that_shifts_in_one_statement_is_mirrored() -> Result<()> {
    let mut mapping = mapping(vec![key("id", "integer")], vec![copy("id"), copy("v")]);
    mapping.deferrable_key = true;
    let fixture = Fixture::start(
        "create table public.source (id integer primary key deferrable initially immediate, v text); \
         create table public.source__new (id integer primary key, v text)",
        mapping,
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source select i, 'row ' || i from generate_series(1, 5) i")
        .await?;
    app.run("update public.source set id = id + 1").await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn a_key_set_by_its_own_value_among_others_is_no_change_of_key() -> Result<()> {
    let fixture = start(TABLES).await?;
    let app = fixture.app("app").await?;
    app.run(
        "insert into public.source values (1, 'one'); update public.source set id = id, v = null",
    )
    .await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn rolled_back_savepoints_and_transactions_leave_no_mirror() -> Result<()> {
    let fixture = start(TABLES).await?;
    let app = fixture.app("app").await?;
    app.run(
        "begin; insert into public.source values (1, 'kept'); savepoint s; \
         insert into public.source values (2, 'gone'); update public.source set v = 'gone' where id = 1; \
         rollback to s; insert into public.source values (3, 'kept'); commit; \
         begin; delete from public.source; rollback",
    )
    .await?;
    fixture.assert_equal("id, v").await
}
