//! What is found when a stage begins, and at the gate.

use std::time::Duration;

use crossfade_engine::{Comparison, EngineError, Limits, Loss, VerifyRequest};
use crossfade_plan::Stage;
use crossfade_plan::event::Event;
use crossfade_state::Verdict;
use crossfade_testkit::{Result, Role};

use crate::scene::{DONE, FORWARD, expanded, limits, verify};

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_somebody_added_stops_the_work_by_name() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    scene
        .admin
        .run("alter table public.items add column extra text")
        .await?;
    let error = engine.backfill(&name).await.expect_err("drift");
    let EngineError::Drift(drifted) = &error else {
        return Err(format!("{error:?}").into());
    };
    let parts: Vec<String> = drifted.iter().map(ToString::to_string).collect();
    let named = parts
        .iter()
        .any(|part| part == "column \"public\".\"items\".\"extra\" (added)");
    assert!(named, "{parts:?}");
    scene
        .admin
        .run("alter table public.items drop column extra")
        .await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    assert_eq!(
        verify(&engine, &name, Comparison::Full).await?,
        (Verdict::Exact, 0)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_a_disabled_trigger_is_found_and_repaired() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    assert_eq!(
        verify(&engine, &name, Comparison::Full).await?,
        (Verdict::Exact, 0)
    );
    scene
        .admin
        .run(&format!(
            "alter table public.items disable trigger {FORWARD}; \
             update public.items set v = 'changed' where id = 7; delete from public.items where id = 8; \
             insert into public.items values (5000, 'new'); \
             alter table public.items enable always trigger {FORWARD}"
        ))
        .await?;
    let error = engine.cutover(&name).await.expect_err("a gap");
    assert!(
        matches!(
            &error,
            EngineError::GateShut(crossfade_engine::Shut::Gap(_))
        ),
        "{error:?}"
    );
    assert_eq!(
        scene.stage(&name).await?,
        Stage::Backfilled,
        "what was proved no longer is"
    );
    assert_eq!(
        verify(&engine, &name, Comparison::Full).await?,
        (Verdict::Mismatch, 3)
    );
    assert!(
        engine.cutover(&name).await.is_err(),
        "nothing is swapped over differences"
    );
    assert_eq!(
        verify(&engine, &name, Comparison::FullWithRepair).await?,
        (Verdict::Exact, 0)
    );
    assert_eq!(engine.cutover(&name).await?, DONE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_before_the_backfill_has_closed_is_told() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    scene
        .admin
        .run(&format!(
            "alter table public.items disable trigger {FORWARD}; \
             alter table public.items enable always trigger {FORWARD}"
        ))
        .await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let warned = scene.events().into_iter().any(
        |event| matches!(event, Event::Warning { text } if text.contains("dual-write had a gap")),
    );
    assert!(warned);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_is_gone_stops_the_work_and_leaves_the_way_back() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    scene
        .admin
        .run(&format!("drop trigger {FORWARD} on public.items"))
        .await?;
    let error = engine.backfill(&name).await.expect_err("a gap");
    assert!(matches!(&error, EngineError::Gap(_)), "{error:?}");
    assert_eq!(engine.rollback(&name, Loss::Refused).await?, DONE);
    assert_eq!(scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_stays_disabled_stops_the_work() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    scene
        .admin
        .run(&format!(
            "alter table public.items disable trigger {FORWARD}"
        ))
        .await?;
    let error = engine.backfill(&name).await.expect_err("a gap");
    assert!(matches!(&error, EngineError::Gap(_)), "{error:?}");
    Ok(())
}

/// What a verification finds altered before it begins voids what an earlier one has proved.
#[tokio::test(flavor = "multi_thread")]
async fn drift_that_a_verification_finds_voids_the_proof() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let exact = (Verdict::Exact, 0);
    assert_eq!(verify(&engine, &name, Comparison::Full).await?, exact);
    scene
        .admin
        .run("alter table public.items add column extra text")
        .await?;
    let request = VerifyRequest {
        comparison: Comparison::Full,
        seed: 5,
    };
    let error = engine.verify(&name, request).await.expect_err("drift");
    assert!(matches!(&error, EngineError::Drift(_)), "{error:?}");
    assert_eq!(scene.stage(&name).await?, Stage::Backfilled);
    scene
        .admin
        .run("alter table public.items drop column extra")
        .await?;
    assert_eq!(verify(&engine, &name, Comparison::Full).await?, exact);

    // A trigger that stays off is nothing that could be mended.
    scene
        .admin
        .run(&format!(
            "alter table public.items disable trigger {FORWARD}"
        ))
        .await?;
    let error = engine.cutover(&name).await.expect_err("a gap");
    assert!(matches!(&error, EngineError::Gap(_)), "{error:?}");
    assert_eq!(scene.stage(&name).await?, Stage::Backfilled);
    Ok(())
}

/// A repair that was cut off while old snapshots were waited for: the next verification waits.
#[tokio::test(flavor = "multi_thread")]
async fn no_proof_before_old_snapshots_are_past_the_repair() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    let impatient = scene
        .engine_with(Limits {
            max_wait: Duration::ZERO,
            ..limits()
        })
        .await?;
    let reader = scene.database.session("reader", Role::Superuser).await?;
    reader
        .run("begin isolation level repeatable read; select count(*) from public.items")
        .await?;
    scene
        .admin
        .run("delete from public.items__new where id = 7")
        .await?;
    let held = async |comparison| {
        let request = VerifyRequest {
            comparison,
            seed: 5,
        };
        let ended = impatient.verify(&name, request).await;
        ended.is_err_and(|error| error.to_string().contains("still see the table"))
    };
    assert!(held(Comparison::FullWithRepair).await);
    assert!(held(Comparison::Full).await);
    reader.run("commit").await?;
    assert_eq!(
        verify(&impatient, &name, Comparison::Full).await?,
        (Verdict::Exact, 0)
    );
    Ok(())
}
