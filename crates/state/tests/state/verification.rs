//! Verifications: what they found is kept, and what voids them is noticed.

use crossfade_plan::{Progress, Stage};
use crossfade_state::{
    Direction, Mismatch, MismatchKind, Mode, Side, StateError, Verdict, VerificationId,
    VerificationResult, VerifiedInterval,
};
use crossfade_testkit::{Result, Role};
use serde_json::json;

use crate::fixture::{Fixture, backend, patient, wait_until_blocks};

fn exact() -> VerificationResult {
    VerificationResult {
        verdict: Verdict::Exact,
        source_rows: 10,
        target_rows: 10,
        differences: 0,
        details: json!({ "left_out": ["b"] }),
    }
}

fn interval(lower: Option<&[&str]>, upper: Option<&[&str]>) -> VerifiedInterval {
    let owned =
        |key: Option<&[&str]>| key.map(|key| key.iter().map(|part| (*part).to_owned()).collect());
    VerifiedInterval {
        side: Side::Both,
        lower: owned(lower),
        upper: owned(upper),
        source_rows: 5,
        target_rows: 6,
        differences: 1,
    }
}

#[tokio::test]
async fn what_was_found_is_read_back() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    assert_eq!(store.latest_verification(&session, id).await?, None);
    let run = store
        .begin_verification(&session, id, Mode::Full, Direction::Forward)
        .await?;

    let intervals = [
        interval(None, Some(&["a,\"b\"", "{}"])),
        interval(Some(&["a,\"b\"", "{}"]), Some(&["NULL", "\\"])),
        interval(Some(&["NULL", "\\"]), None),
    ];
    let mismatches = [
        Mismatch {
            kind: MismatchKind::Missing,
            key: vec!["1".into(), "x".into()],
            columns: vec![],
        },
        Mismatch {
            kind: MismatchKind::Different,
            key: vec!["{\"2\"}".into(), String::new()],
            columns: vec!["z".into(), "A b".into()],
        },
    ];
    let transaction = store.database().begin("test", &patient()).await?;
    for interval in &intervals {
        store.add_interval(&transaction, id, run, interval).await?;
    }
    store.add_mismatches(&transaction, run, &mismatches).await?;
    store.add_mismatches(&transaction, run, &[]).await?;
    transaction.commit().await?;
    assert_eq!(store.intervals(&session, run).await?, intervals);
    assert_eq!(store.mismatches(&session, run, 100).await?, mismatches);
    assert_eq!(store.mismatches(&session, run, 1).await?, mismatches[..1]);

    let unfinished = store
        .unfinished_verification(&session, id, Mode::Full, Direction::Forward)
        .await?
        .ok_or("none")?;
    assert_eq!((unfinished.id, unfinished.result), (run, None));
    let transaction = store.database().begin("test", &patient()).await?;
    store
        .finish_verification(&transaction, id, run, &exact())
        .await?;
    transaction.commit().await?;
    let latest = store
        .latest_verification(&session, id)
        .await?
        .ok_or("none")?;
    assert_eq!(
        store.verification(&session, run).await?.as_ref(),
        Some(&latest)
    );
    assert_eq!(
        store.verification(&session, VerificationId(99)).await?,
        None
    );
    assert_eq!(latest.result, Some(exact()));
    assert!(latest.valid && latest.finished_at.is_some() && !latest.snapshot.is_empty());
    let unfinished = store
        .unfinished_verification(&session, id, Mode::Full, Direction::Forward)
        .await?;
    assert_eq!(unfinished, None);
    Ok(())
}

/// A drift is noticed while a verification ends: its verdict must not open the gate.
#[tokio::test]
async fn a_proof_that_is_voided_while_it_ends_is_none() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    let begin = store.database().begin("test", &patient()).await?;
    for progress in [
        Progress::Expanded,
        Progress::BackfillStarted,
        Progress::BackfillClosed,
    ] {
        store.advance(&begin, id, progress, &fixture.actor).await?;
    }
    begin.commit().await?;
    let run = store
        .begin_verification(&session, id, Mode::Full, Direction::Forward)
        .await?;

    let voiding = store.database().begin("test", &patient()).await?;
    store
        .advance(&voiding, id, Progress::ProofVoided, &fixture.actor)
        .await?;
    let (other, actor) = (store.clone(), fixture.actor.clone());
    let finishing = tokio::spawn(async move {
        let transaction = other.database().begin("test", &patient()).await?;
        other
            .finish_verification(&transaction, id, run, &exact())
            .await?;
        other
            .advance(&transaction, id, Progress::Verified, &actor)
            .await?;
        transaction.commit().await?;
        Ok::<_, StateError>(())
    });
    wait_until_blocks(&fixture, backend(&voiding).await?).await?;
    voiding.commit().await?;
    let refused = finishing.await?;
    assert!(
        matches!(refused, Err(StateError::VerificationVoided { .. })),
        "{refused:?}"
    );

    assert_eq!(
        store.migration(&session, id).await?.stage,
        Stage::Backfilled
    );
    assert!(
        !store
            .latest_verification(&session, id)
            .await?
            .ok_or("none")?
            .valid
    );
    let transaction = store.database().begin("test", &patient()).await?;
    let refused = store
        .add_interval(&transaction, id, run, &interval(None, None))
        .await;
    assert!(
        matches!(refused, Err(StateError::VerificationVoided { .. })),
        "{refused:?}"
    );
    transaction.rollback().await?;
    let unfinished = store
        .unfinished_verification(&session, id, Mode::Full, Direction::Forward)
        .await?;
    assert_eq!(unfinished, None, "a voided one is not gone on with");
    Ok(())
}

/// Both take the migration first. In the other order they would wait for each other.
#[tokio::test]
async fn ending_and_voiding_a_verification_lock_in_one_order() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    let run = store
        .begin_verification(&session, id, Mode::Full, Direction::Forward)
        .await?;
    // What voids a verification, between its first statement and its second.
    let voiding = fixture.database.session("voiding", Role::Migrator).await?;
    voiding
        .run("begin; select from crossfade.migration for no key update")
        .await?;
    let (other, actor) = (store.clone(), fixture.actor.clone());
    let finishing = tokio::spawn(async move {
        let transaction = other.database().begin("test", &patient()).await?;
        other
            .finish_verification(&transaction, id, run, &exact())
            .await?;
        other
            .advance(&transaction, id, Progress::Verified, &actor)
            .await?;
        transaction.commit().await?;
        Ok::<_, StateError>(())
    });
    wait_until_blocks(&fixture, voiding.pid()).await?;
    voiding
        .run("update crossfade.verification set valid = false; commit")
        .await?;
    let refused = finishing.await?;
    assert!(
        matches!(refused, Err(StateError::VerificationVoided { .. })),
        "{refused:?}"
    );
    Ok(())
}

/// An interval that is being recorded as compared makes the one who voids it wait, so that none
/// is recorded for a proof that is void by then.
#[tokio::test]
async fn voiding_waits_for_an_interval_and_workers_do_not_wait_for_each_other() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    let run = store
        .begin_verification(&session, id, Mode::Full, Direction::Forward)
        .await?;
    let one = store.database().begin("test", &patient()).await?;
    store
        .add_interval(&one, id, run, &interval(None, Some(&["1"])))
        .await?;
    let two = store.database().begin("test", &patient()).await?;
    store
        .add_interval(&two, id, run, &interval(Some(&["1"]), None))
        .await?;
    two.commit().await?;

    let voiding = fixture.database.session("voiding", Role::Migrator).await?;
    let voided = voiding.start("update crossfade.verification set valid = false");
    let blockers = fixture.observer.wait_until_blocked(voiding.pid()).await?;
    assert_eq!(blockers, [backend(&one).await?]);
    one.commit().await?;
    voided.await??;
    Ok(())
}
