//! Indexes and constraints of the target: built after the copy, repaired when an earlier build
//! broke, and refused with the reason when the rows do not allow them.

use std::time::Duration;

use crossfade_engine::{Engine, EngineError, Limits, Loss, StageEnd};
use crossfade_plan::MigrationName;
use crossfade_postgres::ErrorClass;
use crossfade_testkit::{Result, Role};
use crossfade_tests::{Scene, is_exact, plan_file};

const SCHEMA: &str = "create table public.items ( \
       id integer generated always as identity primary key, \
       sku text not null, price numeric(10,2), note text, \
       constraint price_is_positive check (price > 0)); \
     create index items_note on public.items (note desc nulls last) where note is not null; \
     create unique index items_sku on public.items (lower(sku)) include (price); \
     insert into public.items (sku, price, note) \
       select 'sku-' || i, i, case when i % 3 = 0 then 'note ' || i end from generate_series(1, 3000) i; \
     analyze public.items";

const PLAN: &str = r#"
name: items_strict
table: public.items
operations:
  - change_type: { column: id, type: bigint }
  - set_not_null: { column: note, up: "'none'" }
  - add_check: { name: sku_has_dash, check: "strpos(sku, '-') > 0" }
  - add_index: { name: items_price, columns: [ price ] }
  - add_unique: { name: items_price_note, columns: [ price, note ] }
"#;

const DONE: StageEnd = StageEnd::Reached { already: false };

async fn scene() -> Result<(Scene, Engine, MigrationName)> {
    let scene = Scene::empty().await?;
    scene.admin.run(SCHEMA).await?;
    let table = crossfade_plan::QualifiedName::parse("public.items")?;
    scene.give_to_owner(&table).await?;
    let app = crossfade_plan::Ident::new(scene.database.app())?;
    scene
        .admin
        .run(&format!(
            "grant select, insert, update, delete on public.items to {app}"
        ))
        .await?;
    let engine = scene.engine().await?;
    Ok((scene, engine, MigrationName::new("items_strict")?))
}

async fn names_on(scene: &Scene, table: &str) -> Result<Vec<String>> {
    let names: Vec<String> = scene
        .admin
        .query_one_value(&format!(
            "select array(select c.relname::text from pg_index i join pg_class c on c.oid = i.indexrelid \
             where i.indrelid = '{table}'::regclass and i.indisvalid \
             union all select conname::text || ' ' || convalidated from pg_constraint \
             where conrelid = '{table}'::regclass and contype = 'c' order by 1)"
        ))
        .await?;
    Ok(names)
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_and_constraints_stand_under_their_names_after_the_swap() -> Result<()> {
    let (scene, engine, name) = scene().await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    assert!(is_exact(&engine, &name).await?);
    assert_eq!(engine.cutover(&name).await?, DONE);
    let app = scene.database.session("app", Role::App).await?;
    app.run("insert into public.items (sku, price, note) values ('new-1', 1, 'after')")
        .await?;
    let id: i64 = app
        .query_one_value("select max(id) from public.items")
        .await?;
    // Not 3001: the swap leaves room for numbers that waiting sessions still draw from the old
    // sequence.
    assert!(
        id > 3000,
        "the identity goes on behind what was drawn: {id}"
    );
    assert_eq!(engine.contract(&name).await?, DONE);
    let names = names_on(&scene, "public.items").await?;
    assert_eq!(
        names,
        [
            "items_note",
            "items_pkey",
            "items_price",
            "items_price_note",
            "items_sku",
            "price_is_positive true",
            "sku_has_dash true"
        ]
    );
    let nullable: bool = scene
        .admin
        .query_one_value(
            "select attnotnull from pg_attribute where attrelid = 'public.items'::regclass and attname = 'note'",
        )
        .await?;
    assert!(nullable, "note is NOT NULL");
    assert_eq!(scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_index_that_a_broken_build_left_is_built_anew() -> Result<()> {
    let (scene, engine, name) = scene().await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    // As a build leaves it whose server died: there under its name, and not valid.
    let index: String = scene
        .admin
        .query_one_value(
            "select s ->> 0 from crossfade.migration m, json_array_elements(m.plan -> 'steps') p, \
             lateral (select p -> 'action' -> 'concurrent_index' -> 'index' -> 'name') n (s0), \
             lateral (select json_build_array(n.s0 #>> '{}')) j (s) \
             where p -> 'action' -> 'concurrent_index' is not null limit 1",
        )
        .await?;
    scene
        .admin
        .run(&format!(
            "create index \"{index}\" on public.items__new (price); \
             update pg_index set indisvalid = false where indexrelid = 'public.\"{index}\"'::regclass"
        ))
        .await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let names = names_on(&scene, "public.items__new").await?;
    assert!(names.contains(&index), "{index} is valid: {names:?}");
    assert!(is_exact(&engine, &name).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_new_unique_constraint_refuses_end_the_backfill_and_leave_no_index()
-> Result<()> {
    let (scene, engine, name) = scene().await?;
    scene
        .admin
        .run("insert into public.items (sku, price, note) values ('twin-1', 7000, 'twin'), ('twin-2', 7000, 'twin')")
        .await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    let error = engine.backfill(&name).await.expect_err("duplicates");
    assert_eq!(error.class(), ErrorClass::Row, "{error}");
    assert!(
        !error.to_string().contains("twin"),
        "no value of a row: {error}"
    );
    let invalid: i64 = scene
        .admin
        .query_one_value("select count(*) from pg_index where not indisvalid")
        .await?;
    assert_eq!(
        invalid, 0,
        "an invalid unique index would refuse the application's rows"
    );
    // Mended by whoever owns the data, the same command goes on.
    scene
        .admin
        .run("update public.items set note = 'other' where sku = 'twin-2'")
        .await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    assert!(is_exact(&engine, &name).await?);
    assert_eq!(engine.rollback(&name, Loss::Refused).await?, DONE);
    assert_eq!(scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_only_the_target_refuses_succeeds_and_shuts_the_gate() -> Result<()> {
    let (scene, engine, name) = scene().await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    assert!(is_exact(&engine, &name).await?);
    let app = scene.database.session("app", Role::App).await?;
    // No dash: the new check refuses it, the old table does not.
    app.run("insert into public.items (sku, price) values ('plain', 9999)")
        .await?;
    let error = engine.cutover(&name).await.expect_err("the gate is shut");
    assert!(
        matches!(
            &error,
            EngineError::GateShut(crossfade_engine::Shut::RowErrors(1))
        ),
        "{error:?}"
    );
    assert_eq!(engine.backfill(&name).await?, StageEnd::RowErrors(1));
    app.run("update public.items set sku = 'with-dash' where sku = 'plain'")
        .await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let error = engine
        .cutover(&name)
        .await
        .expect_err("nothing is proved after a repair");
    assert!(matches!(error, EngineError::TooEarly { .. }), "{error:?}");
    assert!(is_exact(&engine, &name).await?);
    assert_eq!(engine.cutover(&name).await?, DONE);
    Ok(())
}

/// Rows that were tried again are written like copied ones. Whoever was cut off before old snapshots
/// were past them waits for these, though no row is left to be tried.
#[tokio::test(flavor = "multi_thread")]
async fn old_snapshots_are_waited_for_after_rows_were_tried_again() -> Result<()> {
    let (scene, engine, name) = scene().await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let app = scene.database.session("app", Role::App).await?;
    app.run("insert into public.items (sku, price) values ('plain', 9999)")
        .await?;
    app.run("update public.items set sku = 'with-dash' where sku = 'plain'")
        .await?;
    let reader = scene.database.session("reader", Role::App).await?;
    reader
        .run("begin isolation level repeatable read; select from public.items")
        .await?;
    let impatient = Limits {
        max_wait: Duration::ZERO,
        free_disk_bytes: Some(u64::MAX),
        ..Limits::default()
    };
    let impatient = scene.engine_with(impatient).await?;
    for _ in 0..2 {
        let error = impatient.backfill(&name).await.expect_err("an old reader");
        assert!(error.to_string().contains("still see"), "{error:?}");
    }
    reader.run("commit").await?;
    let end = impatient.backfill(&name).await?;
    assert_eq!(end, StageEnd::Reached { already: true });
    assert!(is_exact(&impatient, &name).await?);
    Ok(())
}

/// A build has no lock timeout: the limit of all waits holds for it as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_waits_for_an_old_snapshot_for_too_long_is_told_with_its_holder() -> Result<()>
{
    let (scene, engine, name) = scene().await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    let reader = scene.database.session("reader", Role::App).await?;
    reader
        .run("begin isolation level repeatable read; select from public.items")
        .await?;
    let impatient = scene
        .engine_with(Limits {
            max_wait: Duration::ZERO,
            free_disk_bytes: Some(u64::MAX),
            ..Limits::default()
        })
        .await?;
    let error = impatient.backfill(&name).await.expect_err("an old reader");
    let EngineError::TablesInUse { pids } = &error else {
        return Err(format!("{error:?}").into());
    };
    assert_eq!(pids, &[reader.pid()]);
    reader.run("commit").await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    assert!(is_exact(&engine, &name).await?);
    Ok(())
}

/// The build waits for whoever has an older snapshot, a TRUNCATE through its trigger for the build,
/// and everybody else for the TRUNCATE.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_somebody_waits_for_gives_way() -> Result<()> {
    let (scene, engine, name) = scene().await?;
    let app = crossfade_plan::Ident::new(scene.database.app())?;
    scene
        .admin
        .run(&format!("grant truncate on public.items to {app}"))
        .await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    let reader = scene.database.session("reader", Role::App).await?;
    let app = scene.database.session("app", Role::App).await?;
    reader
        .run("begin isolation level repeatable read; select")
        .await?;
    let meanwhile = async {
        scene
            .admin
            .wait_until(
                "select count(*) > 0 from pg_stat_progress_create_index \
                 where datname = current_database() and phase like 'waiting%'",
            )
            .await?;
        // The server ends it if it is still blocked after that.
        app.run("set statement_timeout = '10s'; truncate public.items")
            .await?;
        reader.run("commit").await?;
        Ok::<(), crossfade_testkit::Error>(())
    };
    let backfill = async { Ok(engine.backfill(&name).await?) };
    let (end, ()) = tokio::try_join!(backfill, meanwhile)?;
    assert_eq!(end, DONE);
    Ok(())
}
