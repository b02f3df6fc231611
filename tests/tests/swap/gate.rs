//! The gate is asked under the locks: what changed while they were waited for counts.

use crossfade_engine::{Comparison, EngineError, Shut, VerifyRequest};
use crossfade_plan::Stage;
use crossfade_state::{Actor, Store};
use crossfade_testkit::{Result, Role};

use crate::way::{Command, DONE, ITEMS, Outcome, WIDEN, Way};

fn shut(outcome: Outcome) -> Result<Shut> {
    match outcome {
        Err(EngineError::GateShut(shut)) => Ok(shut),
        other => Err(format!("the gate was not shut: {other:?}").into()),
    }
}

async fn store(way: &Way) -> Result<Store> {
    let schema = crossfade_plan::Ident::new("crossfade")?;
    let store = Store::open_existing(way.scene.migrator()?, schema).await?;
    Ok(store.ok_or("no state")?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_comes_while_the_lock_is_waited_for() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let store = store(&way).await?;
    let session = store.session("test").await?;
    let id = store.find(&session, &way.name).await?.ok_or("none")?.id;
    let queued = way.queued(Command::Cutover).await?;
    assert!(store.hold(id, &Actor::new("test")).await?);
    queued.holder.run("commit").await?;
    assert_eq!(shut(queued.command.await?)?, Shut::Held);
    assert_eq!(way.stage().await?, Stage::Verified);
    store.unhold(id, &Actor::new("test")).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    Ok(())
}

/// What is written into the state while the lock is waited for, what the gate says then, and what
/// undoes it.
const IN_THE_STATE: [(&str, Shut, &str); 3] = [
    (
        "update crossfade.migration set stage = 'backfilled'",
        Shut::Stage(Stage::Backfilled),
        "update crossfade.migration set stage = 'verified'",
    ),
    (
        "update crossfade.verification set valid = false",
        Shut::NotProved,
        "update crossfade.verification set valid = true",
    ),
    (
        "insert into crossfade.row_error (migration, direction, key, sqlstate) \
         values ('m', 'forward', '{7}', '22003')",
        Shut::RowErrors(1),
        "delete from crossfade.row_error",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_state_says_while_the_lock_is_waited_for() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    for (change, expected, undo) in IN_THE_STATE {
        let queued = way.queued(Command::Cutover).await?;
        way.scene.admin.run(change).await?;
        queued.holder.run("commit").await?;
        assert_eq!(shut(queued.command.await?)?, expected, "{change}");
        way.scene.admin.run(undo).await?;
    }
    assert_eq!(way.stage().await?, Stage::Verified);
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    Ok(())
}

/// The latest verification counts: one of a part of the rows proves too little.
#[tokio::test(flavor = "multi_thread")]
async fn a_sample_opens_no_gate() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let request = VerifyRequest {
        comparison: Comparison::Sample(100),
        seed: 1,
    };
    way.engine.verify(&way.name, request).await?;
    assert_eq!(shut(way.run(Command::Cutover).await?)?, Shut::NotProved);
    way.verify().await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    Ok(())
}

/// Whether it was off before the attempt or while it waited: the proof is void, and made anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_was_off_for_a_while() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    let trigger = "trigger \"!crossfade_m_forward\"";
    let off_and_on = format!(
        "alter table public.items disable {trigger}; \
         update public.items set n = n + 1 where id = 1; \
         alter table public.items enable always {trigger}"
    );
    for at_the_lock in [false, true] {
        let outcome = if at_the_lock {
            let queued = way.queued_behind(Role::Migrator, Command::Cutover).await?;
            queued.holder.run(&format!("{off_and_on}; commit")).await?;
            queued.command.await?
        } else {
            way.owner("owner").await?.run(&off_and_on).await?;
            way.run(Command::Cutover).await?
        };
        let found = shut(outcome)?;
        assert!(matches!(found, Shut::Gap(_)), "{found}");
        assert_eq!(way.stage().await?, Stage::Backfilled);
        // The write of that time is missing in the target: it is found, repaired and proved.
        assert!(way.verify().await.is_err());
        way.repair().await?;
        way.verify().await?;
        assert_eq!(way.stage().await?, Stage::Verified);
    }
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    way.assert_both_sides_alike().await
}

/// What is done to either table after the verification, what the gate calls it, and its undoing.
const DRIFTS: [(&str, &str, &str); 9] = [
    (
        "alter table public.items add column late int",
        "column \"public\".\"items\".\"late\" (added)",
        "alter table public.items drop column late",
    ),
    (
        "drop index public.items_v",
        "index \"items_v\" on \"public\".\"items\" (removed)",
        "create index items_v on public.items (v)",
    ),
    (
        "alter table public.items add constraint late check (n < 1000000)",
        "constraint \"late\" on \"public\".\"items\" (added)",
        "alter table public.items drop constraint late",
    ),
    (
        "alter table public.items alter column v drop not null",
        "column \"public\".\"items\".\"v\" (changed)",
        "alter table public.items alter column v set not null",
    ),
    (
        "drop index public.items_v__new",
        "index \"items_v__new\" on \"public\".\"items__new\" (removed)",
        "create index items_v__new on public.items__new (v)",
    ),
    (
        "alter table public.items__new add column late int",
        "column \"public\".\"items__new\".\"late\" (added)",
        "alter table public.items__new drop column late",
    ),
    (
        "alter table public.items__new add constraint late check (n < 1000000)",
        "constraint \"late\" on \"public\".\"items__new\" (added)",
        "alter table public.items__new drop constraint late",
    ),
    (
        "alter table public.items__new alter column n drop default",
        "column \"public\".\"items__new\".\"n\" (changed)",
        "alter table public.items__new alter column n set default 0",
    ),
    (
        "create view public.looks as select v from public.items__new",
        "dependent view public.looks (added)",
        "drop view public.looks",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_since_the_verification_is_named() -> Result<()> {
    let schema = format!("{ITEMS} create index items_v on public.items (v);");
    let way = Way::verified(&schema, &[WIDEN]).await?;
    let owner = way.owner("owner").await?;
    owner
        .run(&format!("set role \"{}\"", way.scene.database.owner()))
        .await?;
    for (change, part, undo) in DRIFTS {
        owner.run(change).await?;
        let found = match shut(way.run(Command::Cutover).await?)? {
            Shut::Drift(parts) => parts,
            other => return Err(format!("{change}: {other}").into()),
        };
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|found| found == part),
            "{change}: {found:?}"
        );
        // What was proved was proved for another schema.
        assert_eq!(way.stage().await?, Stage::Backfilled, "{change}");
        owner.run(undo).await?;
        way.verify().await?;
    }
    // The last moment: after the comparison, before the locks.
    let queued = way.queued_behind(Role::Migrator, Command::Cutover).await?;
    queued
        .holder
        .run("alter table public.items add column late int; commit")
        .await?;
    let found = shut(queued.command.await?)?;
    assert!(found.to_string().contains("\"late\" (added)"), "{found}");
    owner
        .run("alter table public.items drop column late")
        .await?;
    assert_eq!(way.stage().await?, Stage::Backfilled);
    way.verify().await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    Ok(())
}
