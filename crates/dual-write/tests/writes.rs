//! Every kind of write of every kind of session reaches the mirror, and none fails by it.

mod fixture;

use crossfade_plan::QualifiedName;
use crossfade_plan::mapping::{Rewrite, SessionDependence, Value};
use crossfade_testkit::{Result, Role};
use fixture::{Fixture, computed, copy, ident, key, key_in, mapping, sqlstate};

const TABLES: &str = "create table public.source (id integer primary key, v text); \
     create table public.source__new (id integer primary key, v text)";

async fn start() -> Result<Fixture> {
    Fixture::start(
        TABLES,
        mapping(vec![key("id", "integer")], vec![copy("id"), copy("v")]),
    )
    .await
}

#[tokio::test]
async fn insert_update_to_null_delete_and_upsert_are_mirrored() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    app.run(
        "insert into public.source select i, 'row ' || i from generate_series(1, 10) i; \
         update public.source set v = null where id = 1; delete from public.source where id = 2; \
         insert into public.source values (3, 'upserted') on conflict (id) do update set v = excluded.v; \
         insert into public.source values (4, 'ignored'), (11, 'new') on conflict do nothing",
    )
    .await?;
    fixture.assert_equal("id, v").await
}

/// PostgreSQL 15 and later.
#[tokio::test]
async fn merge_is_mirrored() -> Result<()> {
    const VERSION: &str = "select current_setting('server_version_num')::integer";
    let fixture = start().await?;
    if fixture.admin.query_one_value::<i32>(VERSION).await? < 150_000 {
        return Ok(());
    }
    let app = fixture.app("app").await?;
    app.run(
        "insert into public.source select i, 'row ' || i from generate_series(1, 10) i; \
         merge into public.source t using (values (5, 'merged'), (12, 'merged')) as n (id, v) on t.id = n.id \
             when matched then update set v = n.v when not matched then insert values (n.id, n.v)",
    )
    .await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn copied_rows_are_mirrored() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    fixture
        .admin
        .run("copy public.source from program 'printf \"1\\tone\\n2\\t\\\\N\\n\"'")
        .await?;
    let rows: i64 = app
        .query_one_value("select count(*) from public.source")
        .await?;
    assert_eq!(rows, 2);
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn truncate_empties_the_mirror() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'one'); truncate public.source; insert into public.source values (2, 'two')")
        .await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn sessions_that_apply_replicated_changes_are_mirrored() -> Result<()> {
    let fixture = start().await?;
    fixture
        .admin
        .run("set session_replication_role = replica; insert into public.source values (1, 'one'), (2, 'two'); \
              delete from public.source where id = 2; truncate public.source; \
              insert into public.source values (3, 'three'); reset session_replication_role")
        .await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn a_role_without_rights_on_the_mirror_can_write() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'one')")
        .await?;
    assert_eq!(
        sqlstate(app.run("select from public.source__new").await),
        "42501"
    );
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn the_functions_cannot_be_called_by_others() -> Result<()> {
    let fixture = start().await?;
    let app = ident(fixture.database.app());
    let callable: i64 = fixture
        .admin
        .query_one_value(&format!(
            "select count(*) from pg_proc where proname like 'crossfade%' \
             and has_function_privilege('{}', oid, 'execute')",
            app.as_str()
        ))
        .await?;
    assert_eq!(callable, 0);
    Ok(())
}

#[tokio::test]
async fn a_hostile_search_path_changes_nothing() -> Result<()> {
    let fixture = Fixture::start(
        TABLES,
        mapping(
            vec![key("id", "integer")],
            vec![copy("id"), computed("v", "upper(v)")],
        ),
    )
    .await?;
    let app_role = ident(fixture.database.app());
    // Functions and operators of the names that the trigger and the user's expression use, first
    // in the writer's path.
    fixture
        .admin
        .run(&format!(
            "create schema evil authorization {app_role}; set role {app_role}; \
             grant usage on schema evil to public; \
             create function evil.record_image_ne(record, record) returns boolean language plpgsql as 'begin return false; end'; \
             create function evil.upper(text) returns text language sql as $$ select 'evil' $$; \
             create function evil.current_setting(text) returns text language sql as $$ select 'read committed' $$; \
             create function evil.never(integer, integer) returns boolean language plpgsql as 'begin return false; end'; \
             create operator evil.= (leftarg = integer, rightarg = integer, function = evil.never); reset role"
        ))
        .await?;
    let app = fixture.app("app").await?;
    app.run("set search_path = evil, pg_catalog, public")
        .await?;
    app.run("insert into public.source values (1, 'one'), (2, 'two'); update public.source set id = id operator(pg_catalog.+) 10; \
             delete from public.source where v operator(pg_catalog.=) 'two'")
        .await?;
    fixture.assert_equal("id, upper(v)").await
}

/// A mapping that holds nothing of the user's has a function that sets no path: whatever it runs
/// must be found where it belongs, or the writer's code would run with the owner's rights.
#[tokio::test]
async fn a_function_without_a_path_of_its_own_finds_nothing_in_the_writers() -> Result<()> {
    let mut wider = copy("id");
    wider.sql_type = "bigint".to_owned();
    wider.base_type = QualifiedName::new(ident("pg_catalog"), ident("int8"));
    wider.value = Value::Cast(ident("id"));
    let mut by_id = key("id", "integer");
    by_id.target_type = "bigint".to_owned();
    let fixture = Fixture::start(
        "create table public.source (id integer primary key, v text); \
         create table public.source__new (id bigint primary key, v text)",
        mapping(vec![by_id], vec![wider, copy("v")]),
    )
    .await?;
    let configuration: Vec<String> = fixture
        .admin
        .query_one_value("select proconfig from pg_proc where proname = 'crossfade_race_forward'")
        .await?;
    assert_eq!(configuration, ["enable_seqscan=off"]);
    let app_role = ident(fixture.database.app());
    let evil = "language plpgsql as $$ begin raise 'evil'; end $$";
    let operators = ["text", "integer", "bigint", "record"].map(|on| {
        format!(
            "create function evil.evil({on}, {on}) returns boolean {evil}; \
             create operator evil.= (leftarg = {on}, rightarg = {on}, function = evil.evil); \
             create operator evil.<> (leftarg = {on}, rightarg = {on}, function = evil.evil);"
        )
    });
    fixture
        .admin
        .run(&format!(
            "create schema evil authorization {app_role}; set role {app_role}; \
             grant usage on schema evil to public; \
             create function evil.record_image_ne(record, record) returns boolean {evil}; \
             create function evil.current_setting(text) returns text {evil}; \
             create function evil.left(text, integer) returns text {evil}; \
             {} create domain evil.int8 as text check (false); \
             create domain evil.text as bigint check (false); reset role",
            operators.concat()
        ))
        .await?;
    let app = fixture.app("app").await?;
    app.run("set search_path = evil, pg_catalog, public")
        .await?;
    for level in ["read committed", "repeatable read"] {
        app.run(&format!(
            "begin isolation level {level}; \
             insert into public.source values (1, 'one'), (2, 'two'), (3, 'three'); \
             update public.source set id = id operator(pg_catalog.+) 10; \
             update public.source set v = null; \
             delete from public.source where id operator(pg_catalog.=) 12; commit"
        ))
        .await?;
        fixture.assert_equal("id, v").await?;
        app.run("delete from public.source").await?;
        fixture.assert_equal("id, v").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_citext_key_that_changes_case_is_mirrored() -> Result<()> {
    let fixture = Fixture::start(
        "create extension citext; create table public.source (id public.citext primary key, v text); \
         create table public.source__new (id public.citext primary key, v text)",
        mapping(vec![key_in("public", "id", "public.citext")], vec![copy("id"), copy("v")]),
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values ('a', 'one'), ('b', 'two'); update public.source set id = 'A' where v = 'one'; \
             delete from public.source where id = 'B'")
        .await?;
    fixture.assert_equal("id, v").await?;
    let id: String = fixture
        .admin
        .query_one_value("select id::text from public.source__new")
        .await?;
    assert_eq!(id, "A");
    Ok(())
}

#[tokio::test]
async fn an_ltree_key_is_mirrored() -> Result<()> {
    let fixture = Fixture::start(
        "create extension ltree; create table public.source (id public.ltree primary key, v text); \
         create table public.source__new (id public.ltree primary key, v text)",
        mapping(
            vec![key_in("public", "id", "public.ltree")],
            vec![copy("id"), copy("v")],
        ),
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values ('a.b', 'one'); update public.source set id = 'a.c'")
        .await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn a_generated_always_identity_is_mirrored() -> Result<()> {
    let mut id = copy("id");
    id.rewrite = Rewrite::Never;
    let fixture = Fixture::start(
        "create table public.source (id integer generated always as identity primary key, v text); \
         create table public.source__new (id integer generated always as identity primary key, v text)",
        mapping(vec![key("id", "integer")], vec![id, copy("v")]),
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source (v) values ('one'), ('two'); update public.source set v = 'x' where id = 1").await?;
    app.run(
        "begin isolation level repeatable read; delete from public.source where id = 2; commit",
    )
    .await?;
    fixture.assert_equal("id, v").await
}

#[tokio::test]
async fn a_column_that_only_the_mirror_has_is_never_reset() -> Result<()> {
    let fixture = Fixture::start(
        "create table public.source (id integer primary key, v text); \
         create table public.source__new (id integer primary key, v text, extra text default 'default')",
        mapping(vec![key("id", "integer")], vec![copy("id"), copy("v")]),
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'one')")
        .await?;
    fixture
        .admin
        .run("update public.source__new set extra = 'kept'")
        .await?;
    app.run("update public.source set v = 'two'").await?;
    fixture.assert_equal("id, v, 'kept'").await
}

#[tokio::test]
async fn names_that_plpgsql_uses_itself_are_columns_in_an_expression() -> Result<()> {
    let fixture = Fixture::start(
        "create table public.source (id integer primary key, found text, tg_op text, \"new\" text); \
         create table public.source__new (id integer primary key, v text)",
        mapping(
            vec![key("id", "integer")],
            vec![copy("id"), computed("v", "found || tg_op || \"new\" -- a comment at the end")],
        ),
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, 'a', 'b', 'c')")
        .await?;
    fixture.assert_equal("id, found || tg_op || \"new\"").await
}

#[tokio::test]
async fn a_row_that_the_mapping_refuses_is_recorded_and_the_write_succeeds() -> Result<()> {
    let fixture = Fixture::start(
        "create table public.source (id integer primary key, v text); \
         create table public.source__new (id integer primary key, v text)",
        mapping(
            vec![key("id", "integer")],
            vec![copy("id"), computed("v", "(v::integer * 2)::text")],
        ),
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run("insert into public.source values (1, '1'), (2, '2'); update public.source set v = 'many' where id = 2").await?;
    let recorded: String = fixture
        .admin
        .query_one_value(
            "select direction || ' ' || key::text || ' ' || sqlstate from state.row_error",
        )
        .await?;
    assert_eq!(recorded, "forward {2} 22P02");
    let mirrored: i64 = fixture
        .admin
        .query_one_value("select count(*) from public.source__new")
        .await?;
    assert_eq!(mirrored, 1, "the refused row is no longer in the mirror");
    app.run("update public.source set v = '5' where id = 2")
        .await?;
    fixture.assert_equal("id, (v::integer * 2)::text").await
}

#[tokio::test]
async fn a_failure_that_is_not_the_rows_is_passed_on() -> Result<()> {
    // A user's expression that gives up its transaction must still do so: swallowing a
    // serialization failure would commit on a broken snapshot.
    let fixture = Fixture::start(
        "create function public.give_up(text) returns text language plpgsql as \
             $$ begin raise exception 'again' using errcode = '40001'; end $$; \
         create table public.source (id integer primary key, v text); \
         create table public.source__new (id integer primary key, v text)",
        mapping(
            vec![key("id", "integer")],
            vec![copy("id"), computed("v", "public.give_up(v)")],
        ),
    )
    .await?;
    let app = fixture.app("app").await?;
    assert_eq!(
        sqlstate(app.run("insert into public.source values (1, '1')").await),
        "40001"
    );
    Ok(())
}

#[tokio::test]
async fn text_forms_do_not_depend_on_the_writers_settings() -> Result<()> {
    let mut cast = copy("v");
    cast.value = Value::Cast(ident("at"));
    cast.session = SessionDependence::Dependent;
    let fixture = Fixture::start(
        "create table public.source (id integer primary key, at timestamptz); \
         create table public.source__new (id integer primary key, v text)",
        mapping(vec![key("id", "integer")], vec![copy("id"), cast]),
    )
    .await?;
    let app = fixture.app("app").await?;
    app.run(
        "set timezone = 'Asia/Tokyo'; set datestyle = 'German'; \
             insert into public.source values (1, '2026-01-02 03:04:05+00')",
    )
    .await?;
    let seen: String = fixture
        .admin
        .query_one_value("select v from public.source__new")
        .await?;
    assert_eq!(seen, "2026-01-02 03:04:05+00");
    Ok(())
}

#[tokio::test]
async fn switching_a_trigger_off_and_on_again_is_seen() -> Result<()> {
    use crossfade_dual_write::{Continuity, GapKind};
    let fixture = start().await?;
    let session = fixture.queries("continuity").await?;
    let table: u32 = fixture
        .admin
        .query_one_value("select 'public.source'::regclass::oid")
        .await?;
    let proof = Continuity::read(&session, table, &fixture.names)
        .await?
        .expect("both triggers stand");
    assert_eq!(proof.gap(&session, table, &fixture.names).await?, None);

    let touch = [
        (
            "alter table public.source disable trigger \"!crossfade_race_forward\"; \
          alter table public.source enable always trigger \"!crossfade_race_forward\"",
            GapKind::Touched,
        ),
        (
            "drop trigger \"!crossfade_race_forward_truncate\" on public.source",
            GapKind::Missing,
        ),
    ];
    for (sql, expected) in touch {
        fixture.admin.run(sql).await?;
        let gap = proof
            .gap(&session, table, &fixture.names)
            .await?
            .expect("a gap");
        assert_eq!(gap.kind, expected, "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_function_that_was_replaced_and_put_back_is_seen() -> Result<()> {
    use crossfade_dual_write::{Continuity, GapKind};
    let fixture = start().await?;
    let session = fixture.queries("continuity").await?;
    let table: u32 = fixture
        .admin
        .query_one_value("select 'public.source'::regclass::oid")
        .await?;
    let proof = Continuity::read(&session, table, &fixture.names)
        .await?
        .expect("both triggers stand");
    let original: String = fixture
        .admin
        .query_one_value("select pg_get_functiondef('public.crossfade_race_forward'::regproc)")
        .await?;
    fixture
        .admin
        .run("create or replace function public.crossfade_race_forward() returns trigger language plpgsql as \
              $$ begin return null; end $$")
        .await?;
    fixture.admin.run(&original).await?;
    let gap = proof
        .gap(&session, table, &fixture.names)
        .await?
        .expect("a gap");
    assert_eq!(gap.kind, GapKind::Touched);
    Ok(())
}

#[tokio::test]
async fn a_mirrored_write_in_a_role_that_owns_nothing_keeps_the_session_as_it_was() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.database.session("app", Role::App).await?;
    app.run(
        "begin; set local timezone = 'Asia/Tokyo'; insert into public.source values (1, 'one')",
    )
    .await?;
    let zone: String = app
        .query_one_value("select current_setting('timezone')")
        .await?;
    let role: String = app.query_one_value("select current_user::text").await?;
    app.run("commit").await?;
    assert_eq!(
        (zone.as_str(), role.as_str()),
        ("Asia/Tokyo", fixture.database.app())
    );
    Ok(())
}

#[tokio::test]
async fn a_session_that_planned_on_a_tiny_mirror_never_scans_it() -> Result<()> {
    let fixture = start().await?;
    let app = fixture.app("app").await?;
    // One analyzed page: the cheapest plan for anything is to read it whole.
    app.run("insert into public.source select i, 'row' from generate_series(1, 20) i")
        .await?;
    fixture.admin.run("analyze public.source__new").await?;
    app.run("begin").await?;
    // More than the five executions after which a plan is cached for good.
    for id in 1..=10 {
        app.run(&format!("delete from public.source where id = {id}"))
            .await?;
    }
    let scans: i64 = app
        .query_one_value(
            "select seq_scan from pg_stat_xact_user_tables where relname = 'source__new'",
        )
        .await?;
    app.run("commit").await?;
    assert_eq!(scans, 0);
    fixture.assert_equal("id, v").await
}
