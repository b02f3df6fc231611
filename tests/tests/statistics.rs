//! Statistics: the source has some before the first chunk, the target before the swap, and an
//! empty target never.

use crossfade_engine::{Engine, StageEnd};
use crossfade_plan::{MigrationName, QualifiedName};
use crossfade_testkit::Result;
use crossfade_tests::{Scene, plan_file};

const PLAN: &str = "name: counted\ntable: public.items\noperations:\n  - change_type: { column: id, type: bigint }\n";
const DONE: StageEnd = StageEnd::Reached { already: false };

/// A table with so many rows that nobody has analyzed, nor ever will but us.
async fn scene(rows: u32) -> Result<(Scene, Engine, MigrationName)> {
    let scene = Scene::empty().await?;
    scene
        .admin
        .run(&format!(
            "create table public.items (id integer primary key, v text) \
                 with (autovacuum_enabled = off); \
             insert into public.items select i, 'row' from generate_series(1, {rows}) i"
        ))
        .await?;
    scene
        .give_to_owner(&QualifiedName::parse("public.items")?)
        .await?;
    let engine = scene.engine().await?;
    Ok((scene, engine, MigrationName::new("counted")?))
}

/// What the server believes of a table; -1 before it has ever looked.
async fn rows_known(scene: &Scene, table: &str) -> Result<f64> {
    let sql =
        format!("select reltuples::float8 from pg_class where oid = 'public.{table}'::regclass");
    Ok(scene.admin.query_one_value(&sql).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_statistics_is_analyzed_before_the_first_chunk() -> Result<()> {
    let (scene, engine, name) = scene(2_000).await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    assert!(rows_known(&scene, "items").await? < 0.0);
    // What the server believes when the first chunk is made.
    scene
        .admin
        .run(
            "create table public.seen (rows float8); \
             create function public.see() returns trigger language plpgsql security definer as $$ \
             begin insert into public.seen select reltuples from pg_class \
                 where oid = 'public.items'::regclass; return null; end $$; \
             create trigger see after insert on crossfade.task_range \
                 for each statement execute function public.see()",
        )
        .await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let seen = "select min(rows) from public.seen";
    let seen: f64 = scene.admin.query_one_value(seen).await?;
    assert!((seen - 2_000.0).abs() < 0.5, "{seen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_has_statistics_before_the_swap() -> Result<()> {
    let (scene, engine, name) = scene(2_000).await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    let known = rows_known(&scene, "items__new").await?;
    assert!(known < 0.0, "analyzed while it was empty: {known}");
    assert_eq!(engine.backfill(&name).await?, DONE);
    let known = rows_known(&scene, "items__new").await?;
    assert!((known - 2_000.0).abs() < 0.5, "{known}");
    let columns = "select count(*) from pg_stats where tablename = 'items__new'";
    assert_eq!(scene.admin.query_one_value::<i64>(columns).await?, 2);
    Ok(())
}

/// Plans that are made while a table is known to be empty scan it, and go on as it grows.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_empty_is_not_analyzed() -> Result<()> {
    let (scene, engine, name) = scene(0).await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let known = rows_known(&scene, "items__new").await?;
    assert!(known < 0.0, "{known}");
    Ok(())
}
