//! What somebody did to the new side since the cutover is not lost in silence on the way back.

use crossfade_engine::{EngineError, Loss};
use crossfade_plan::Stage;
use crossfade_testkit::{Result, Role};

use crate::way::{Command, DONE, ITEMS, WIDEN, Way};

async fn cut_over() -> Result<Way> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    Ok(way)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_new_side_must_be_accepted_to_be_lost() -> Result<()> {
    let way = cut_over().await?;
    way.scene
        .admin
        .run(
            "alter table public.items add column extra text default 'kept'; \
             comment on table public.items is 'ours'",
        )
        .await?;
    let told = match way.run(Command::Rollback(Loss::Refused)).await? {
        Err(EngineError::AlteredSince(drifted)) => drifted,
        other => return Err(format!("{other:?}").into()),
    };
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    let expected = [
        "column \"public\".\"items\".\"extra\" (added)",
        "column order of \"public\".\"items\" (changed)",
        "comment on \"public\".\"items\" (changed)",
    ];
    assert_eq!(told, expected);
    assert_eq!(way.stage().await?, Stage::CutOver);
    let kept = "select count(*) from public.items where extra = 'kept'";
    assert_eq!(way.number(kept).await?, 1000);
    assert_eq!(way.run(Command::Rollback(Loss::Accepted)).await??, DONE);
    assert_eq!(way.stage().await?, Stage::RolledBack);
    Ok(())
}

/// The last moment: after the comparison, before the locks.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_the_way_back_waits_for_its_locks_is_seen() -> Result<()> {
    let way = cut_over().await?;
    let back = Command::Rollback(Loss::Refused);
    let queued = way.queued_behind(Role::Migrator, back).await?;
    queued
        .holder
        .run("alter table public.items add column late int; commit")
        .await?;
    let told = match queued.command.await? {
        Err(EngineError::AlteredSince(drifted)) => drifted,
        other => return Err(format!("{other:?}").into()),
    };
    assert_eq!(
        told[0].to_string(),
        "column \"public\".\"items\".\"late\" (added)"
    );
    assert_eq!(way.stage().await?, Stage::CutOver);
    assert_eq!(way.run(Command::Rollback(Loss::Accepted)).await??, DONE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_the_new_side_keeps_it() -> Result<()> {
    let way = cut_over().await?;
    way.scene
        .admin
        .run("create view public.seen as select id from public.items")
        .await?;
    for loss in [Loss::Refused, Loss::Accepted] {
        match way.run(Command::Rollback(loss)).await? {
            Err(EngineError::Hanging(named)) => assert_eq!(named, ["view public.seen"]),
            other => return Err(format!("{other:?}").into()),
        }
        assert_eq!(way.stage().await?, Stage::CutOver);
    }
    way.scene.admin.run("drop view public.seen").await?;
    assert_eq!(way.run(Command::Rollback(Loss::Refused)).await??, DONE);
    Ok(())
}
