//! What waits for people and for time: approvals before the swap and before the old side goes, and
//! the soak time in between.

use crossfade_engine::{Comparison, Engine, EngineError, Shut, StageEnd, VerifyRequest};
use crossfade_plan::{Ident, MigrationName, QualifiedName, Stage};
use crossfade_state::{Actor, Store};
use crossfade_testkit::Result;
use crossfade_tests::{Scene, plan_file};

const DONE: StageEnd = StageEnd::Reached { already: false };

/// A migration that is verified, by a plan that ends so.
async fn verified(ending: &str) -> Result<(Scene, Engine, MigrationName)> {
    let scene = Scene::empty().await?;
    scene
        .admin
        .run(
            "create table public.items (id integer primary key, v text); \
             insert into public.items select i, 'row' from generate_series(1, 100) i; \
             analyze public.items",
        )
        .await?;
    scene
        .give_to_owner(&QualifiedName::parse("public.items")?)
        .await?;
    let engine = scene.engine().await?;
    let plan = format!(
        "name: asked\ntable: public.items\noperations:\n  \
         - change_type: {{ column: id, type: bigint }}\n{ending}\n"
    );
    let name = MigrationName::new("asked")?;
    assert_eq!(engine.expand(&plan_file(&plan)?, None).await?, DONE);
    assert_eq!(engine.backfill(&name).await?, DONE);
    let request = VerifyRequest {
        comparison: Comparison::Full,
        seed: 1,
    };
    engine.verify(&name, request).await?;
    assert_eq!(scene.stage(&name).await?, Stage::Verified);
    Ok((scene, engine, name))
}

async fn approve(scene: &Scene, name: &MigrationName, role: &str) -> Result<()> {
    let store = Store::open(scene.migrator()?, Ident::new("crossfade")?).await?;
    let session = store.session("test").await?;
    let record = store.find(&session, name).await?.ok_or("no migration")?;
    let plan = store.plan(&session, record.id).await?;
    drop(session);
    store
        .approve(record.id, &Actor::new("test"), role, &plan.fingerprint)
        .await?;
    Ok(())
}

fn assert_missing(outcome: std::result::Result<StageEnd, EngineError>, roles: &[&str]) {
    match outcome {
        Err(EngineError::GateShut(Shut::Approvals(missing))) => assert_eq!(missing, roles),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutover_waits_for_every_approval() -> Result<()> {
    let (scene, engine, name) = verified("cutover: { approvals: [business, dba] }").await?;
    assert_missing(engine.cutover(&name).await, &["business", "dba"]);
    approve(&scene, &name, "dba").await?;
    assert_missing(engine.cutover(&name).await, &["business"]);
    approve(&scene, &name, "business").await?;
    assert_eq!(engine.cutover(&name).await?, DONE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_side_stays_until_it_is_approved() -> Result<()> {
    let (scene, engine, name) = verified("contract: { approvals: [business] }").await?;
    assert_eq!(engine.cutover(&name).await?, DONE);
    assert_missing(engine.contract(&name).await, &["business"]);
    assert_eq!(scene.stage(&name).await?, Stage::CutOver);
    approve(&scene, &name, "business").await?;
    assert_eq!(engine.contract(&name).await?, DONE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_side_stays_for_the_soak_time() -> Result<()> {
    let (scene, engine, name) = verified("contract: { soak: 1h }").await?;
    assert_eq!(engine.cutover(&name).await?, DONE);
    let outcome = engine.contract(&name).await;
    assert!(
        matches!(outcome, Err(EngineError::Soaking { .. })),
        "{outcome:?}"
    );
    assert_eq!(scene.stage(&name).await?, Stage::CutOver);
    scene
        .admin
        .run("update crossfade.migration set cut_over_at = cut_over_at - interval '1 hour'")
        .await?;
    assert_eq!(engine.contract(&name).await?, DONE);
    Ok(())
}
