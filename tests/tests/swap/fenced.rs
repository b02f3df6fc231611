//! A swap whose runner lost its lease or its connection: it has happened or it has not, the state
//! says which, and the same command comes to the same end.

use crossfade_engine::{EngineError, StageEnd};
use crossfade_plan::Stage;
use crossfade_plan::event::Event;
use crossfade_state::StateError;
use crossfade_testkit::{Fault, Proxy, Result, Role};

use crate::way::{BOTH_WAYS, Command, DONE, ITEMS, WIDEN, Way};

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_taken_over_before_the_locks_fences_the_swap_out() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let reader = way.app("reader").await?;
    reader
        .run("begin; lock table public.items in access share mode")
        .await?;
    let cutover = way.start(Command::Cutover);
    way.told(|event| matches!(event, Event::Waiting(_))).await?;
    way.scene
        .admin
        .run("update crossfade.lease set epoch = epoch + 1")
        .await?;
    reader.run("commit").await?;
    let outcome = cutover.await?;
    assert!(
        matches!(
            outcome,
            Err(EngineError::State(StateError::FencedOut { .. }))
        ),
        "{outcome:?}"
    );
    assert_eq!(way.stage().await?, Stage::Verified);
    let target = "select count(*) from public.items__new";
    assert_eq!(way.number(target).await?, 1000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_waits_for_the_swap_and_finds_it_done() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let queued = way.queued(Command::Cutover).await?;
    let journal = way.about_to_commit(&queued).await?;
    let other = way
        .scene
        .database
        .session("takeover", Role::Migrator)
        .await?;
    let takeover = other.start("begin; select from crossfade.lease for update");
    let blockers = way.scene.admin.wait_until_blocked(other.pid()).await?;
    assert_eq!(blockers, [queued.pid]);
    journal.run("commit").await?;
    takeover.await??;
    let stage: String = other
        .query_one_value("select stage from crossfade.migration")
        .await?;
    assert_eq!(stage, Stage::CutOver.as_str());
    other.run("commit").await?;
    assert_eq!(queued.command.await??, DONE);
    Ok(())
}

/// Killed with everything done but the commit: nothing of it stands, and the runner does it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_before_the_commit() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    for command in BOTH_WAYS {
        let back = matches!(command, Command::Rollback(_));
        let queued = way.queued(command).await?;
        let writer = way.app("writer").await?;
        let insert = writer.start("insert into public.items (v) values ('meanwhile')");
        let journal = way.about_to_commit(&queued).await?;
        let kill = format!("select pg_catalog.pg_terminate_backend({})", queued.pid);
        assert!(way.scene.admin.query_one_value::<bool>(&kill).await?);
        insert.await??;
        let before = if back {
            Stage::CutOver
        } else {
            Stage::Verified
        };
        assert_eq!(way.stage().await?, before);
        journal.run("commit").await?;
        assert_eq!(queued.command.await??, DONE);
        if !back {
            way.assert_both_sides_alike().await?;
        }
    }
    assert_eq!(way.stage().await?, Stage::RolledBack);
    let rows = "select count(*) from public.items";
    assert_eq!(way.number(rows).await?, 1002);
    assert_eq!(way.scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

/// Committed, and nobody told the runner: the state does, and it is not done twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_after_the_commit() -> Result<()> {
    // The way back commits twice: the names, and what is dropped after it.
    for (on_the_way_back, already) in [("rollback", false), ("drop", true)] {
        let mut way = Way::verified(ITEMS, &[WIDEN]).await?;
        let proxy = Proxy::start(&way.scene.database).await?;
        let url = proxy.url(&way.scene.database, Role::Migrator);
        way.engine = way.engine_at(&url).await?;
        for command in BOTH_WAYS {
            let back = matches!(command, Command::Rollback(_));
            let (role, happened, already, after) = if back {
                (on_the_way_back, 1, already, Stage::RolledBack)
            } else {
                ("swap", 0, true, Stage::CutOver)
            };
            // Statements bear the name of their work.
            proxy.next(&format!("m/{role} */ select 1; commit"), Fault::AnswerLost);
            let outcome = way.run(command).await??;
            assert_eq!(proxy.happened(), happened + 1);
            assert_eq!(outcome, StageEnd::Reached { already });
            assert_eq!(way.stage().await?, after);
            let again = way.run(command).await??;
            assert_eq!(again, StageEnd::Reached { already: true });
        }
        assert_eq!(way.scene.left_behind().await?, Vec::<String>::new());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_and_the_records_name_the_same_process() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let queued = way.queued(Command::Cutover).await?;
    let others = "select count(*) from crossfade.event e \
         where not exists (select from crossfade.lease l where e.actor like '%' || l.owner)";
    assert_eq!(way.number(others).await?, 0);
    queued.holder.run("commit").await?;
    assert_eq!(queued.command.await??, DONE);
    Ok(())
}
