//! The whole way under load: up to cutover, back by rollback, and up again to contract.

use crossfade_engine::{Comparison as Compare, Engine, Loss, StageEnd, VerifyEnd, VerifyRequest};
use crossfade_plan::event::Event;
use crossfade_plan::file::PlanFile;
use crossfade_plan::{MigrationName, Stage};
use crossfade_sandbox::workload::{AppTable, Running, Shape};
use crossfade_state::Verdict;
use crossfade_testkit::catalog_diff::diff;
use crossfade_testkit::{Comparison, Result};
use crossfade_tests::{LEADS_PLAN, Scene, plan_file};

const ROWS: u32 = 5_000;

/// What a row of the control table is in the migrated one, but for the computed column, which the
/// application does not write after the cutover.
const IMAGES: [(&str, &str); 8] = [
    ("id", "id"),
    ("split_part(name, ' ', 1)", "first_name"),
    ("substr(name, strpos(name, ' ') + 1)", "last_name"),
    ("email", "email"),
    ("score", "score"),
    ("status", "status"),
    ("note", "note"),
    ("payload", "payload"),
];

const UNCHANGED: [(&str, &str); 7] = [
    ("id", "id"),
    ("name", "name"),
    ("email", "email"),
    ("score", "score"),
    ("status", "status"),
    ("note", "note"),
    ("payload", "payload"),
];

const DONE: StageEnd = StageEnd::Reached { already: false };
const ALREADY: StageEnd = StageEnd::Reached { already: true };

struct Way {
    scene: Scene,
    leads: AppTable,
    engine: Engine,
    plan: PlanFile,
    name: MigrationName,
}

impl Way {
    async fn start() -> Result<Self> {
        let leads = AppTable::leads()?;
        let scene = Scene::with_table(&leads, ROWS).await?;
        let engine = scene.engine().await?;
        Ok(Self {
            scene,
            leads,
            engine,
            plan: plan_file(LEADS_PLAN)?,
            name: MigrationName::new("leads_wider")?,
        })
    }

    /// The columns that the application knows before and after the cutover.
    fn common(&self) -> Result<Shape> {
        Ok(Shape::of(&self.leads).without("name")?)
    }

    /// The application's next version.
    fn next(&self) -> Result<Shape> {
        let parts = [
            ("first_name", "pg_catalog.split_part({}, ' ', 1)"),
            (
                "last_name",
                "pg_catalog.substr({}, pg_catalog.strpos({}, ' ') + 1)",
            ),
        ];
        Ok(Shape::of(&self.leads).mapped("name", &parts)?)
    }

    async fn to_verified(&self, workload: &Running) -> Result<()> {
        assert_eq!(self.engine.expand(&self.plan, None).await?, DONE);
        workload.every_kind_again(3).await?;
        assert_eq!(self.engine.backfill(&self.name).await?, DONE);
        self.verify_is_exact().await
    }

    async fn verify_is_exact(&self) -> Result<()> {
        let request = VerifyRequest {
            comparison: Compare::Full,
            seed: 1,
        };
        let VerifyEnd::Done { report, .. } = self.engine.verify(&self.name, request).await? else {
            return Err("the verification was not made".into());
        };
        assert_eq!(report.verdict, Verdict::Exact, "{report:?}");
        assert!(report.source_rows > 0);
        Ok(())
    }

    async fn cut_over(&self, workload: &Running) -> Result<()> {
        workload.switch_shape(self.common()?).await;
        assert_eq!(self.engine.cutover(&self.name).await?, DONE);
        assert_eq!(self.engine.cutover(&self.name).await?, ALREADY);
        workload.every_kind_again(3).await?;
        workload.switch_shape(self.next()?).await;
        workload.every_kind_again(3).await?;
        Ok(())
    }

    async fn assert_holds(&self, pairs: &[(&str, &str)]) -> Result<()> {
        Comparison {
            control: &self.leads.control().to_string(),
            result: &self.leads.name().to_string(),
            key: &pairs[..1],
            columns: &pairs[1..],
        }
        .run(&self.scene.admin)
        .await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn up_back_and_up_again_under_load_loses_nothing() -> Result<()> {
    let way = Way::start().await?;
    let before = way.scene.table(way.leads.name()).await?.expect("the table");

    // Up to the cutover.
    let workload = way.scene.workload(&way.leads, ROWS).await?;
    way.to_verified(&workload).await?;
    way.cut_over(&workload).await?;
    let report = workload.stop().await;
    assert!(report.failures().is_empty(), "{}", report.to_text());
    way.assert_holds(&IMAGES).await?;
    // The old side has received every write meanwhile.
    way.verify_is_exact().await?;

    // Back.
    let workload = way.scene.workload_after(&way.leads, ROWS, &report).await;
    let workload = workload?;
    workload.switch_shape(way.common()?).await;
    assert_eq!(way.engine.rollback(&way.name, Loss::Refused).await?, DONE);
    assert_eq!(
        way.engine.rollback(&way.name, Loss::Refused).await?,
        ALREADY
    );
    workload.switch_shape(Shape::of(&way.leads)).await;
    workload.every_kind_again(3).await?;
    let report = workload.stop().await;
    assert!(report.failures().is_empty(), "{}", report.to_text());
    way.assert_holds(&UNCHANGED).await?;
    let after = way.scene.table(way.leads.name()).await?.expect("the table");
    assert_eq!(diff(&before, &after), Vec::<String>::new());
    assert_eq!(way.scene.left_behind().await?, Vec::<String>::new());

    // Up again, to the end.
    let workload = way.scene.workload_after(&way.leads, ROWS, &report).await?;
    way.to_verified(&workload).await?;
    way.cut_over(&workload).await?;
    assert_eq!(way.engine.contract(&way.name).await?, DONE);
    assert_eq!(way.engine.contract(&way.name).await?, ALREADY);
    workload.every_kind_again(3).await?;
    let report = workload.stop().await;
    assert!(report.failures().is_empty(), "{}", report.to_text());
    way.assert_holds(&IMAGES).await?;
    assert_eq!(way.scene.stage(&way.name).await?, Stage::Contracted);
    assert_eq!(way.scene.left_behind().await?, Vec::<String>::new());
    let swaps = way
        .scene
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::LocksReleased { .. }));
    assert_eq!(swaps.count(), 3, "two cutovers and a rollback held locks");
    Ok(())
}
