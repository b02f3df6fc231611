//! Between the two halves of the way back: the old side is live again, and the new one is still to
//! be dropped. Whoever stops there goes on by the same command.

use crossfade_engine::{Comparison, EngineError, Loss, StageEnd, VerifyRequest};
use crossfade_plan::event::Event;
use crossfade_plan::{QualifiedName, Stage};
use crossfade_testkit::catalog_diff::diff;
use crossfade_testkit::{Result, Role, Session};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::reverse::to_be_run_by_hand;
use crate::way::{Command, DONE, ITEMS, Outcome, WIDEN, Way, limits};

const BACK: Command = Command::Rollback(Loss::Refused);

/// A rollback that has given the names back.
struct Halfway {
    command: JoinHandle<Outcome>,
    /// Holds the second half back, in a transaction.
    keeper: Session,
}

impl Halfway {
    async fn reach(way: &Way) -> Result<Self> {
        let keeper = way
            .scene
            .database
            .session("keeper", Role::Superuser)
            .await?;
        keeper.run("begin; lock table crossfade.step").await?;
        let command = way.start(BACK);
        let reached = "select stage = 'rolling_back' from crossfade.migration";
        way.scene.admin.wait_until(reached).await?;
        Ok(Self { command, keeper })
    }

    /// Tells it to stop once it has told what `wanted` looks for.
    async fn stop_when(self, way: &mut Way, wanted: impl Fn(&Event) -> bool) -> Result<()> {
        self.keeper.run("commit").await?;
        way.told(wanted).await?;
        way.scene.stop.cancel();
        assert_eq!(self.command.await??, StageEnd::Stopped);
        assert_eq!(way.stage().await?, Stage::RollingBack);
        way.scene.stop = CancellationToken::new();
        way.engine = way.scene.engine_with(limits()).await?;
        Ok(())
    }
}

async fn expect_undone(way: &Way) -> Result<()> {
    assert_eq!(way.run(BACK).await??, DONE);
    assert_eq!(way.stage().await?, Stage::RolledBack);
    assert_eq!(way.scene.left_behind().await?, Vec::<String>::new());
    let again = way.run(BACK).await??;
    assert_eq!(again, StageEnd::Reached { already: true });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_side_is_live_and_nothing_but_the_rest_can_follow() -> Result<()> {
    let items = QualifiedName::parse("public.items")?;
    let mut way = Way::verified(ITEMS, &[WIDEN]).await?;
    let before = way.scene.table(&items).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    let halfway = Halfway::reach(&way).await?;
    let app = way.app("app").await?;
    app.run("insert into public.items (v) values ('meanwhile')")
        .await?;
    // Somebody looks at the new side, for long: it is dropped when they have seen enough.
    let admin = &way.scene.database;
    let reader = admin.session("reader", Role::Superuser).await?;
    reader
        .run("begin; lock table public.items__new in access share mode")
        .await?;
    halfway
        .stop_when(&mut way, |event| matches!(event, Event::Waiting(_)))
        .await?;

    let verify = VerifyRequest {
        comparison: Comparison::Full,
        seed: 1,
    };
    let refused = [
        way.engine.expand(&way.plan, None).await.err(),
        way.engine.backfill(&way.name).await.err(),
        way.engine.verify(&way.name, verify).await.err(),
        way.engine.cutover(&way.name).await.err(),
        way.engine.contract(&way.name).await.err(),
    ];
    for error in refused {
        let found = Stage::RollingBack;
        assert!(
            matches!(&error, Some(EngineError::TooLate { found: stage }) if *stage == found),
            "{error:?}"
        );
    }
    app.run("update public.items set n = 1 where v = 'meanwhile'")
        .await?;
    reader.run("commit").await?;
    expect_undone(&way).await?;
    let kept = "select count(*) from public.items where v = 'meanwhile' and n = 1";
    assert_eq!(way.number(kept).await?, 1);
    let (Some(before), Some(after)) = (before, way.scene.table(&items).await?) else {
        return Err("there is no table".into());
    };
    assert_eq!(diff(&before, &after), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_are_restored_from_where_it_stopped() -> Result<()> {
    let schema = format!(
        "{ITEMS} alter table public.items add column gone text not null default 'kept' \
             check (gone <> ''); alter table public.items alter column gone drop default"
    );
    let items = QualifiedName::parse("public.items")?;
    let mut way = Way::verified(&schema, &[WIDEN, "drop_column: { column: gone }"]).await?;
    let before = way.scene.table(&items).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    let halfway = Halfway::reach(&way).await?;
    // A reader lets constraints be validated, but no column be made NOT NULL.
    let reader = way.app("reader").await?;
    reader
        .run("begin; lock table public.items in access share mode")
        .await?;
    let refused = |event: &Event| matches!(event, Event::LockAttempt { granted: false, .. });
    halfway.stop_when(&mut way, refused).await?;
    let steps = "select count(*) from crossfade.step where step_id like 'restore-%'";
    assert_eq!(way.number(steps).await?, 2, "both are validated");
    reader.run("commit").await?;
    expect_undone(&way).await?;
    assert_eq!(to_be_run_by_hand(&way), 0);
    let (Some(before), Some(after)) = (before, way.scene.table(&items).await?) else {
        return Err("there is no table".into());
    };
    assert_eq!(diff(&before, &after), Vec::<String>::new());
    Ok(())
}
