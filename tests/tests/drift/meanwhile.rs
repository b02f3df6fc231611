//! What is altered while a stage runs is noticed within a heartbeat, not at the next start.

use std::time::{Duration, Instant};

use crossfade_engine::{
    Comparison, Engine, EngineError, Limits, StageEnd, VerifyEnd, VerifyRequest,
};
use crossfade_plan::event::Event;
use crossfade_plan::{MigrationName, Stage};
use crossfade_state::Verdict;
use crossfade_testkit::Result;
use crossfade_tests::Scene;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::scene::{DONE, FORWARD, expanded, limits, verify};

/// Nobody waits for longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// A stage that runs and is paused.
struct Paused<T> {
    scene: Scene,
    stage: JoinHandle<T>,
}

impl<T: Send + 'static> Paused<T> {
    /// Starts a stage, and returns when it stands still.
    async fn start<F: Future<Output = T>>(
        scene: Scene,
        stage: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Self> {
        pause(&scene, true).await?;
        let runtime = Handle::current();
        let stage = tokio::task::spawn_blocking(move || runtime.block_on(stage()));
        let paused = Self { scene, stage };
        paused
            .told(|event| matches!(event, Event::Waiting(_)))
            .await?;
        Ok(paused)
    }

    async fn told(&self, wanted: impl Fn(&Event) -> bool) -> Result<()> {
        let begun = Instant::now();
        while !self.scene.events().iter().any(&wanted) {
            if begun.elapsed() > PATIENCE || self.stage.is_finished() {
                self.scene.stop.cancel();
                return Err(format!("it was not told: {:?}", self.scene.events()).into());
            }
            // A pause, so that the stage gets the processor on a busy machine.
            self.scene.admin.run("select pg_sleep(0.02)").await?;
        }
        Ok(())
    }

    /// Lets it go on to its end.
    async fn go_on(self) -> Result<(Scene, T)> {
        pause(&self.scene, false).await?;
        self.ends().await
    }

    /// Waits for its end, to which it comes without being let go on.
    async fn ends(self) -> Result<(Scene, T)> {
        let Self { scene, mut stage } = self;
        if let Ok(ended) = tokio::time::timeout(PATIENCE, &mut stage).await {
            return Ok((scene, ended?));
        }
        scene.stop.cancel();
        Err(format!("it goes on: {:?}", scene.events()).into())
    }
}

async fn pause(scene: &Scene, paused: bool) -> Result<()> {
    let control = format!("update crossfade.control set paused = {paused}, version = version + 1");
    Ok(scene.admin.run(&control).await?)
}

type Ended<T> = std::result::Result<T, EngineError>;

async fn paused_backfill(
    scene: Scene,
    engine: &Engine,
    name: &MigrationName,
) -> Result<Paused<Ended<StageEnd>>> {
    let (engine, name) = (engine.clone(), name.clone());
    Paused::start(scene, async move || engine.backfill(&name).await).await
}

fn names_extra(error: &EngineError) -> bool {
    matches!(error, EngineError::Drift(drifted)
        if drifted.iter().any(|part| part.to_string().contains("extra")))
}

const ADD: &str = "alter table public.items add column extra text";
const DROP: &str = "alter table public.items drop column extra";

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_stops_over_drift_and_goes_on_where_it_was() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    let paused = paused_backfill(scene, &engine, &name).await?;
    paused.scene.admin.run(ADD).await?;
    // It is still paused: nothing but the heartbeat can have noticed.
    let (scene, ended) = paused.ends().await?;
    let error = ended.expect_err("drift");
    assert!(names_extra(&error), "{error:?}");
    assert_eq!(scene.stage(&name).await?, Stage::Backfilling);
    scene.admin.run(DROP).await?;
    pause(&scene, false).await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let exact = (Verdict::Exact, 0);
    assert_eq!(verify(&engine, &name, Comparison::Full).await?, exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_stops_over_drift_and_what_it_has_compared_is_void() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let exact = (Verdict::Exact, 0);
    assert_eq!(verify(&engine, &name, Comparison::Full).await?, exact);
    let (own, of) = (engine.clone(), name.clone());
    let request = VerifyRequest {
        comparison: Comparison::Full,
        seed: 5,
    };
    let paused: Paused<Ended<VerifyEnd>> =
        Paused::start(scene, async move || own.verify(&of, request).await).await?;
    paused.scene.admin.run(ADD).await?;
    let (scene, ended) = paused.ends().await?;
    let error = ended.expect_err("drift");
    assert!(names_extra(&error), "{error:?}");
    assert_eq!(scene.stage(&name).await?, Stage::Backfilled);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_mended_in_the_middle_and_the_stage_goes_on() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    let paused = paused_backfill(scene, &engine, &name).await?;
    let off_and_on = format!(
        "alter table public.items disable trigger {FORWARD}; \
         update public.items set v = 'missed' where id = 7; \
         alter table public.items enable always trigger {FORWARD}"
    );
    paused.scene.admin.run(&off_and_on).await?;
    let mended = "dual-write had a gap";
    paused
        .told(|event| matches!(event, Event::Warning { text } if text.contains(mended)))
        .await?;
    let (_scene, ended) = paused.go_on().await?;
    assert_eq!(ended?, DONE);
    let exact = (Verdict::Exact, 0);
    assert_eq!(verify(&engine, &name, Comparison::Full).await?, exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_stays_off_or_a_function_that_is_another_ends_the_stage() -> Result<()> {
    let alterations = [
        format!("alter table public.items disable trigger {FORWARD}"),
        "create or replace function public.crossfade_drifted_forward() returns trigger \
         language plpgsql security definer set search_path = pg_catalog, pg_temp \
         as 'begin return null; end'"
            .to_owned(),
    ];
    for alteration in alterations {
        let (scene, engine, name) = expanded().await?;
        let paused = paused_backfill(scene, &engine, &name).await?;
        paused.scene.admin.run(&alteration).await?;
        let (scene, ended) = paused.ends().await?;
        let error = ended.expect_err("a gap");
        assert!(matches!(error, EngineError::Gap(_)), "{error:?}");
        assert_eq!(scene.stage(&name).await?, Stage::Backfilling);
    }
    Ok(())
}

/// Work that fails before the next heartbeat fails because of what was altered, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_fails_over_a_renamed_column_is_told_as_drift() -> Result<()> {
    let (scene, _, name) = expanded().await?;
    let unwatched = Limits {
        lease_ttl: Duration::from_hours(1),
        ..limits()
    };
    let engine = scene.engine_with(unwatched).await?;
    let paused = paused_backfill(scene, &engine, &name).await?;
    let rename = "alter table public.items rename column v to extra";
    paused.scene.admin.run(rename).await?;
    let (_scene, ended) = paused.go_on().await?;
    let error = ended.expect_err("drift");
    assert!(names_extra(&error), "{error:?}");
    Ok(())
}

/// A new file of the table, and new statistics, are no drift.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_is_none_of_it() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    let paused = paused_backfill(scene, &engine, &name).await?;
    paused.scene.admin.run("vacuum full public.items").await?;
    paused.scene.admin.run("analyze public.items").await?;
    let looked = "looking what became";
    paused
        .told(|event| matches!(event, Event::Note { text } if text.contains(looked)))
        .await?;
    let (_scene, ended) = paused.go_on().await?;
    assert_eq!(ended?, DONE);
    let exact = (Verdict::Exact, 0);
    assert_eq!(verify(&engine, &name, Comparison::Full).await?, exact);
    Ok(())
}
