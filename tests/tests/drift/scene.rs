//! A small table whose migration is expanded.

use std::time::Duration;

use crossfade_engine::{Comparison, Engine, Limits, StageEnd, VerifyEnd, VerifyRequest};
use crossfade_plan::MigrationName;
use crossfade_state::Verdict;
use crossfade_testkit::Result;
use crossfade_tests::{Scene, plan_file};

pub(crate) const PLAN: &str = "name: drifted\ntable: public.items\noperations:\n  - change_type: { column: id, type: bigint }\n";
/// The row trigger of dual-write.
pub(crate) const FORWARD: &str = "\"!crossfade_drifted_forward\"";
pub(crate) const DONE: StageEnd = StageEnd::Reached { already: false };

pub(crate) async fn expanded() -> Result<(Scene, Engine, MigrationName)> {
    let (scene, engine, name) = with_items().await?;
    engine.expand(&plan_file(PLAN)?, None).await?;
    Ok((scene, engine, name))
}

/// The table before the migration.
pub(crate) async fn with_items() -> Result<(Scene, Engine, MigrationName)> {
    let scene = Scene::empty().await?;
    scene
        .admin
        .run(
            "create table public.items (id integer primary key, v text); \
             insert into public.items select i, 'row ' || i from generate_series(1, 2000) i; \
             analyze public.items",
        )
        .await?;
    scene
        .give_to_owner(&crossfade_plan::QualifiedName::parse("public.items")?)
        .await?;
    let engine = scene.engine().await?;
    Ok((scene, engine, MigrationName::new("drifted")?))
}

pub(crate) fn limits() -> Limits {
    Limits {
        lease_ttl: Duration::from_secs(2),
        free_disk_bytes: Some(u64::MAX),
        ..Limits::default()
    }
}

pub(crate) async fn verify(
    engine: &Engine,
    name: &MigrationName,
    comparison: Comparison,
) -> Result<(Verdict, i64)> {
    let request = VerifyRequest {
        comparison,
        seed: 5,
    };
    match engine.verify(name, request).await? {
        VerifyEnd::Done { report, .. } => Ok((report.verdict, report.differences)),
        other => Err(format!("no verdict: {other:?}").into()),
    }
}
