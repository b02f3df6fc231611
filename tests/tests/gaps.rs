//! Gaps of dual-write while the backfill is open: what passed by lies anywhere, in blocks that were
//! copied too, and is copied before the backfill closes.

use std::time::Duration;

use crossfade_engine::{
    Comparison, Engine, EngineError, Limits, StageEnd, VerifyEnd, VerifyRequest,
};
use crossfade_plan::{MigrationName, QualifiedName};
use crossfade_state::Verdict;
use crossfade_testkit::{Result, Role, Session};
use crossfade_tests::{Scene, plan_file};

const PLAN: &str =
    "name: gaps\ntable: public.items\noperations:\n  - change_type: { column: id, type: bigint }\n";
const UNIQUE: &str = "  - add_unique: { name: items_v, columns: [ v ] }\n";
const FORWARD: &str = "\"!crossfade_gaps_forward\"";
const DONE: StageEnd = StageEnd::Reached { already: false };
/// Goes into the room of row 3, in a block that is copied long before it is written.
const PASSES_BY: &str = "insert into public.items values (5000, 'new')";

struct Gaps {
    scene: Scene,
    name: MigrationName,
}

impl Gaps {
    /// Expanded by this plan, over rows 1 to 2000 without row 3.
    async fn start(plan: &str) -> Result<Self> {
        let scene = Scene::empty().await?;
        let rows = "create table public.items (id integer primary key, v text); \
             insert into public.items select i, 'row ' || i from generate_series(1, 2000) i; \
             delete from public.items where id = 3";
        scene.admin.run(rows).await?;
        scene
            .give_to_owner(&QualifiedName::parse("public.items")?)
            .await?;
        scene.admin.run("vacuum (analyze) public.items").await?;
        let gaps = Self {
            scene,
            name: MigrationName::new("gaps")?,
        };
        let engine = gaps.engine(Duration::from_mins(1)).await?;
        engine.expand(&plan_file(plan)?, None).await?;
        Ok(gaps)
    }

    /// Its lease is long: it looks for gaps where it must, and not by chance in between.
    async fn engine(&self, max_wait: Duration) -> Result<Engine> {
        let limits = Limits {
            max_wait,
            free_disk_bytes: Some(u64::MAX),
            ..Limits::default()
        };
        self.scene.engine_with(limits).await
    }

    /// Keeps one row from being copied until it is rolled back.
    async fn hold_last_row(&self) -> Result<Session> {
        let database = &self.scene.database;
        let holder = database.session("holder", Role::Superuser).await?;
        holder
            .run("begin; select from public.items where id = 2000 for update")
            .await?;
        Ok(holder)
    }

    async fn pass_by(&self) -> Result<()> {
        let sql = format!(
            "alter table public.items disable trigger {FORWARD}; {PASSES_BY}; \
             alter table public.items enable always trigger {FORWARD}"
        );
        self.scene.admin.run(&sql).await?;
        Ok(())
    }

    async fn assert_nothing_is_missing(&self) -> Result<()> {
        let engine = self.engine(Duration::from_mins(1)).await?;
        let request = VerifyRequest {
            comparison: Comparison::Full,
            seed: 5,
        };
        let VerifyEnd::Done { report, .. } = engine.verify(&self.name, request).await? else {
            return Err("no verdict".into());
        };
        assert_eq!((report.verdict, report.differences), (Verdict::Exact, 0));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_by_between_two_runs_is_copied() -> Result<()> {
    let gaps = Gaps::start(PLAN).await?;
    let holder = gaps.hold_last_row().await?;
    let impatient = gaps.engine(Duration::ZERO).await?;
    let error = impatient.backfill(&gaps.name).await;
    let error = error.expect_err("a held row");
    assert!(error.to_string().contains("locked"), "{error}");
    holder.run("rollback").await?;
    gaps.pass_by().await?;
    let engine = gaps.engine(Duration::from_mins(1)).await?;
    assert_eq!(engine.backfill(&gaps.name).await?, DONE);
    gaps.assert_nothing_is_missing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_by_during_the_run_is_copied() -> Result<()> {
    let gaps = Gaps::start(PLAN).await?;
    let holder = gaps.hold_last_row().await?;
    let engine = gaps.engine(Duration::from_mins(1)).await?;
    let copied = "select count(*) = 1998 from public.items__new";
    let meanwhile = async {
        gaps.scene.admin.wait_until(copied).await?;
        gaps.pass_by().await?;
        Ok::<_, crossfade_testkit::Error>(holder.run("rollback").await?)
    };
    let (end, done) = tokio::join!(engine.backfill(&gaps.name), meanwhile);
    done?;
    assert_eq!(end?, DONE);
    gaps.assert_nothing_is_missing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_by_after_the_copy_and_before_the_indexes_is_copied() -> Result<()> {
    let gaps = Gaps::start(&format!("{PLAN}{UNIQUE}")).await?;
    let admin = &gaps.scene.admin;
    admin
        .run("update public.items set v = 'row 1' where id = 2")
        .await?;
    let engine = gaps.engine(Duration::from_mins(1)).await?;
    let error = engine.backfill(&gaps.name).await.expect_err("a duplicate");
    assert!(!matches!(error, EngineError::Gap(_)), "{error}");
    admin
        .run("update public.items set v = 'row 2' where id = 2")
        .await?;
    gaps.pass_by().await?;
    assert_eq!(engine.backfill(&gaps.name).await?, DONE);
    gaps.assert_nothing_is_missing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_under_a_replaced_function_is_waited_for() -> Result<()> {
    let gaps = Gaps::start(PLAN).await?;
    let admin = &gaps.scene.admin;
    let of_trigger = |what: &str| {
        format!(
            "select {what} from pg_trigger where tgrelid = 'public.items'::regclass and tgname = '{}'",
            FORWARD.trim_matches('"')
        )
    };
    let original: String = admin
        .query_one_value(&of_trigger("pg_get_functiondef(tgfoid)"))
        .await?;
    let function: String = admin
        .query_one_value(&of_trigger("tgfoid::regproc::text"))
        .await?;
    admin
        .run(&format!(
            "create or replace function {function}() returns trigger language plpgsql \
             as 'begin return null; end'"
        ))
        .await?;
    let database = &gaps.scene.database;
    let writer = database.session("writer", Role::Superuser).await?;
    writer.run(&format!("begin; {PASSES_BY}")).await?;
    admin.run(&original).await?;
    let engine = gaps.engine(Duration::from_mins(1)).await?;
    let blocked = format!(
        "select exists (select from pg_stat_activity where {} = any (pg_blocking_pids(pid)))",
        writer.pid()
    );
    let meanwhile = async {
        admin.wait_until(&blocked).await?;
        Ok::<_, crossfade_testkit::Error>(writer.run("commit").await?)
    };
    let (end, done) = tokio::join!(engine.backfill(&gaps.name), meanwhile);
    done?;
    assert_eq!(end?, DONE);
    gaps.assert_nothing_is_missing().await
}
