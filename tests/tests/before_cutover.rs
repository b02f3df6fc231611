//! The way up to the closed backfill and back by rollback, under load.

use crossfade_engine::{Loss, StageEnd};
use crossfade_plan::{MigrationName, Stage};
use crossfade_sandbox::workload::AppTable;
use crossfade_testkit::Comparison;
use crossfade_testkit::Result;
use crossfade_testkit::catalog_diff::diff;
use crossfade_tests::{LEADS_PLAN, Scene, plan_file};

const ROWS: u32 = 5_000;

/// What a row of the control table is in the target.
const IMAGES: [(&str, &str); 6] = [
    ("id::text", "id::text"),
    ("split_part(name, ' ', 1)", "first_name"),
    ("substr(name, strpos(name, ' ') + 1)", "last_name"),
    ("email", "email"),
    ("(score / 10)::text", "score_band::text"),
    ("payload::text", "payload::text"),
];

fn name() -> MigrationName {
    MigrationName::new("leads_wider").expect("a name")
}

#[tokio::test(flavor = "multi_thread")]
async fn expand_backfill_and_rollback_under_load_lose_nothing_and_leave_nothing() -> Result<()> {
    let leads = AppTable::leads()?;
    let scene = Scene::with_table(&leads, ROWS).await?;
    let before = scene.table(leads.name()).await?.expect("the table");
    let workload = scene.workload(&leads, ROWS).await?;
    let engine = scene.engine().await?;
    let plan = plan_file(LEADS_PLAN)?;

    assert_eq!(
        engine.expand(&plan, None).await?,
        StageEnd::Reached { already: false }
    );
    assert_eq!(
        engine.expand(&plan, None).await?,
        StageEnd::Reached { already: true }
    );
    workload.every_kind_again(5).await?;
    assert_eq!(
        engine.backfill(&name()).await?,
        StageEnd::Reached { already: false }
    );
    assert_eq!(
        engine.backfill(&name()).await?,
        StageEnd::Reached { already: true }
    );
    workload.every_kind_again(5).await?;
    let report = workload.stop().await;
    assert!(report.failures().is_empty(), "{}", report.to_text());

    let objects = crossfade_plan::objects::Objects::derive(&name(), leads.name())?;
    Comparison {
        control: &leads.control().to_string(),
        result: &objects.target.to_string(),
        key: &IMAGES[..1],
        columns: &IMAGES[1..],
    }
    .run(&scene.admin)
    .await?;

    let workload = scene.workload_after(&leads, ROWS, &report).await?;
    assert_eq!(
        engine.rollback(&name(), Loss::Refused).await?,
        StageEnd::Reached { already: false }
    );
    assert_eq!(
        engine.rollback(&name(), Loss::Refused).await?,
        StageEnd::Reached { already: true }
    );
    workload.every_kind_again(5).await?;
    let report = workload.stop().await;
    assert!(report.failures().is_empty(), "{}", report.to_text());
    let after = scene.table(leads.name()).await?.expect("the table");
    assert_eq!(diff(&before, &after), Vec::<String>::new());
    assert_eq!(scene.left_behind().await?, Vec::<String>::new());
    assert_eq!(scene.stage(&name()).await?, Stage::RolledBack);
    Ok(())
}
