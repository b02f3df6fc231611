//! Control and approvals, and who is named for them.

use crossfade_plan::fingerprint::Fingerprint;
use crossfade_state::StateError;
use crossfade_testkit::{Result, Role};
use serde_json::json;

use crate::fixture::{Fixture, plan, wait_until_blocks};

#[tokio::test]
async fn changes_are_seen_and_audited_and_what_changes_nothing_is_not() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let (session, actor) = (store.session("test").await?, &fixture.actor);
    let before = store.control(&session, id).await?;
    assert!(!before.paused && !before.hold && before.settings.is_empty());

    assert!(store.pause(id, actor).await?);
    assert!(!store.pause(id, actor).await?);
    assert!(store.hold(id, actor).await?);
    assert!(store.set(id, actor, "workers", Some(&json!(4))).await?);
    assert!(store.set(id, actor, "workers", Some(&json!(6))).await?);
    let now = store.control(&session, id).await?;
    assert!(now.paused && now.hold);
    assert_eq!(now.settings["workers"], 6);
    assert_eq!(now.version, before.version + 4);
    assert!(store.resume(id, actor).await?);
    assert!(store.unhold(id, actor).await?);
    assert!(store.set(id, actor, "workers", None).await?);
    let now = store.control(&session, id).await?;
    assert_eq!(
        (now.paused, now.hold, now.settings),
        (false, false, before.settings)
    );

    let changes = store.control_changes(&session, id).await?;
    let actions: Vec<&str> = changes
        .iter()
        .map(|change| change.action.as_str())
        .collect();
    assert_eq!(
        actions,
        ["pause", "hold", "set", "set", "resume", "unhold", "set"]
    );
    assert_eq!(changes[3].old_value, Some(json!({ "workers": 4 })));
    assert_eq!(changes[3].new_value, Some(json!({ "workers": 6 })));
    assert_eq!(
        changes[0].actor,
        format!("{} tester", fixture.database.migrator())
    );
    Ok(())
}

#[tokio::test]
async fn changes_at_once_lose_none() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let gate = fixture.database.session("gate", Role::Migrator).await?;
    gate.run("begin; update crossfade.control set settings = '{\"a\": 1}', version = version + 1")
        .await?;
    let (other, actor) = (store.clone(), fixture.actor.clone());
    let second = tokio::spawn(async move { other.set(id, &actor, "b", Some(&json!(2))).await });
    wait_until_blocks(&fixture, gate.pid()).await?;
    gate.run("commit").await?;
    assert!(second.await??);
    let control = store.control(&store.session("test").await?, id).await?;
    assert_eq!(json!(control.settings), json!({ "a": 1, "b": 2 }));
    assert_eq!(control.version, 2);
    Ok(())
}

#[tokio::test]
async fn an_approval_is_of_the_registered_plan() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    let approved = plan("orders", "orders")?.fingerprint;
    let other = Fingerprint::from_hex("1".repeat(64));
    let refused = store.approve(id, &fixture.actor, "dba", &other).await;
    assert!(
        matches!(refused, Err(StateError::NotThisPlan { .. })),
        "{refused:?}"
    );
    store.approve(id, &fixture.actor, "dba", &approved).await?;

    let approvals = store.approvals(&session, id).await?;
    let roles: Vec<&str> = approvals
        .iter()
        .map(|approval| approval.role.as_str())
        .collect();
    assert_eq!(roles, ["dba"]);
    assert!(approvals[0].actor.ends_with(" tester"));
    let audited: String = fixture
        .observer
        .query_one_value(
            "select table_name || ' ' || action from crossfade.audit_log where action = 'approve'",
        )
        .await?;
    assert_eq!(audited, "approval approve");

    // As a program leaves it that registers another plan.
    fixture
        .observer
        .run("update crossfade.migration set fingerprint = 'another'")
        .await?;
    assert!(store.approvals(&session, id).await?.is_empty());
    Ok(())
}
