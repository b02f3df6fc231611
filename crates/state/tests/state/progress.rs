//! Stages are reached in order, together with the work that they stand for.

use crossfade_plan::execution::StepId;
use crossfade_plan::{Progress, Stage, Status};
use crossfade_state::{MigrationId, NewEvent, StateError, Store};
use crossfade_testkit::Result;
use serde_json::json;

use crate::fixture::{Fixture, backend, patient, wait_until_blocks};

async fn advance(fixture: &Fixture, store: &Store, id: MigrationId, to: Progress) -> Result<Stage> {
    let transaction = store.database().begin("test", &patient()).await?;
    let stage = store.advance(&transaction, id, to, &fixture.actor).await?;
    transaction.commit().await?;
    Ok(stage)
}

#[tokio::test]
async fn out_of_order_is_refused() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let transaction = store.database().begin("test", &patient()).await?;
    let refused = store
        .advance(&transaction, id, Progress::CutOver, &fixture.actor)
        .await;
    assert!(
        matches!(refused, Err(StateError::OutOfOrder(_))),
        "{refused:?}"
    );
    let refused = store
        .advance(
            &transaction,
            MigrationId(99),
            Progress::Expanded,
            &fixture.actor,
        )
        .await;
    assert!(
        matches!(refused, Err(StateError::UnknownMigration(_))),
        "{refused:?}"
    );
    transaction.rollback().await?;
    let session = store.session("test").await?;
    assert_eq!(store.migration(&session, id).await?.stage, Stage::Planned);
    Ok(())
}

#[tokio::test]
async fn the_whole_way_is_dated_and_recorded() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    let undo: Option<String> = fixture
        .observer
        .query_one_value("select rollback_sql from crossfade.migration_log")
        .await?;
    assert_eq!(undo, None, "nothing was made yet");

    assert_eq!(
        advance(&fixture, &store, id, Progress::Expanded).await?,
        Stage::Expanded
    );
    let expanded = store.migration(&session, id).await?;
    assert!(expanded.expanded_at.is_some() && expanded.cut_over_at.is_none());
    let undo: Option<String> = fixture
        .observer
        .query_one_value("select rollback_sql from crossfade.migration_log")
        .await?;
    assert_eq!(
        undo.as_deref(),
        Some(
            "begin;\ndrop function f();\ndrop table t;\ndrop function f() for good;\ndrop table t for good;\ncommit;\ndrop function f() again;\ndrop table t again;\n"
        )
    );

    for progress in [
        Progress::BackfillStarted,
        Progress::BackfillClosed,
        Progress::Verified,
    ] {
        advance(&fixture, &store, id, progress).await?;
    }
    advance(&fixture, &store, id, Progress::CutOver).await?;
    let cut_over = store.migration(&session, id).await?;
    assert_eq!(cut_over.expanded_at, expanded.expanded_at);
    assert!(cut_over.cut_over_at.is_some() && cut_over.finished_at.is_none());
    advance(&fixture, &store, id, Progress::Contracted).await?;
    let contracted = store.migration(&session, id).await?;
    assert_eq!(
        (contracted.stage, contracted.status),
        (Stage::Contracted, Status::Done)
    );
    assert!(contracted.finished_at.is_some());

    let events = store.events(&session, id, 0, 100).await?;
    let stages: Vec<&str> = events
        .iter()
        .filter_map(|event| event.data["new"]["stage"].as_str())
        .collect();
    assert_eq!(
        stages,
        [
            "planned",
            "expanded",
            "backfilling",
            "backfilled",
            "verified",
            "cut_over",
            "contracted"
        ]
    );
    let later = store.events(&session, id, events[1].id, 2).await?;
    assert_eq!(later, events[2..4]);
    let audited: i64 = fixture
        .observer
        .query_one_value("select count(distinct id) from crossfade.audit_log")
        .await?;
    assert_eq!(audited, 7);
    Ok(())
}

#[tokio::test]
async fn a_stage_and_its_event_go_with_the_transaction_of_the_work() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let step = StepId::new("create-target");
    let session = store.session("test").await?;
    store.start_step(&session, id, &step).await?;
    store.fail_step(&session, id, &step, "lock timeout").await?;

    let transaction = store.database().begin("test", &patient()).await?;
    store.finish_step(&transaction, id, &step).await?;
    store
        .advance(&transaction, id, Progress::Expanded, &fixture.actor)
        .await?;
    let event = NewEvent {
        kind: "note",
        actor: &fixture.actor,
        data: json!({}),
    };
    store.append_event(&transaction, id, event).await?;
    transaction.rollback().await?;
    assert_eq!(store.migration(&session, id).await?.stage, Stage::Planned);
    assert_eq!(store.events(&session, id, 0, 100).await?.len(), 1);
    let steps = store.steps(&session, id).await?;
    assert_eq!(steps[0].error.as_deref(), Some("lock timeout"));
    assert_eq!(steps[0].finished_at, None);

    let transaction = store.database().begin("test", &patient()).await?;
    store.finish_step(&transaction, id, &step).await?;
    transaction.commit().await?;
    store.start_step(&session, id, &step).await?;
    store.fail_step(&session, id, &step, "too late").await?;
    let steps = store.steps(&session, id).await?;
    assert!(steps[0].finished_at.is_some(), "what is finished stays so");
    assert_eq!((steps.len(), steps[0].error.as_deref()), (1, None));
    Ok(())
}

#[tokio::test]
async fn two_that_advance_come_one_after_the_other() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let first = store.database().begin("test", &patient()).await?;
    store
        .advance(&first, id, Progress::Expanded, &fixture.actor)
        .await?;
    let holder = backend(&first).await?;
    let (other, actor) = (store.clone(), fixture.actor.clone());
    let second = tokio::spawn(async move {
        let transaction = other.database().begin("test", &patient()).await?;
        let stage = other
            .advance(&transaction, id, Progress::Expanded, &actor)
            .await;
        transaction.rollback().await?;
        stage
    });
    wait_until_blocks(&fixture, holder).await?;
    first.commit().await?;
    let refused = second.await?;
    assert!(
        matches!(refused, Err(StateError::OutOfOrder(_))),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_status_says_why_it_failed() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    store
        .set_status(&session, id, Status::Failed, Some("drift"))
        .await?;
    let failed = store.migration(&session, id).await?;
    assert_eq!(
        (failed.status, failed.error.as_deref()),
        (Status::Failed, Some("drift"))
    );
    store
        .set_status(&session, id, Status::Running, None)
        .await?;
    let running = store.migration(&session, id).await?;
    assert_eq!(
        (running.status, running.error.as_deref()),
        (Status::Running, None)
    );
    store
        .set_status(&session, id, Status::Running, None)
        .await?;
    assert_eq!(
        store.migration(&session, id).await?.updated_at,
        running.updated_at
    );
    Ok(())
}
