//! The program dies by SIGKILL at every failpoint, one after the other on the way through a whole
//! migration under load; each time the same command goes on. At the end every row is what the
//! application wrote, and nothing is left behind.

use std::collections::BTreeSet;

use crossfade_plan::execution::Action;
use crossfade_sandbox::workload::Running;
use crossfade_testkit::Result;
use crossfade_tests::crash::{Kill, Kills, Leads, Load, counts, failpoints_in_sources, in_order};

const ROWS: u32 = 2_500;
/// About a dozen chunks.
const BACKFILL: &str = "batch_size: 200";

const UP: &str = "run plan.yaml --to verify --free-disk 1TiB";
const CUTOVER: &str = "cutover leads_wider";
const ROLLBACK: &str = "rollback leads_wider --yes";
const CONTRACT: &str = "contract leads_wider --yes";

/// Where each failpoint is died at, by the test that does it.
const COVERED: [&[&str]; 8] = [
    &["state/schema-script"],
    &["transaction/before-commit", "transaction/after-commit"],
    &["step/{}/started"],
    &["step/{}/before-commit", "step/{}/built"],
    &["step/{}/finished"],
    &COPY_AND_VERIFY,
    &["backfill/missing-found", "verify/repaired"],
    &SWAPS,
];

/// In the order in which they are met.
const COPY_AND_VERIFY: [&str; 13] = [
    "backfill/claimed",
    "backfill/copied",
    "backfill/checkpointed",
    "backfill/committed",
    "backfill/closing",
    "backfill/before-record",
    "backfill/before-horizon",
    "backfill/horizon-marked",
    "backfill/before-close-commit",
    "verify/before-record",
    "verify/compared",
    "verify/before-verdict",
    "verify/recorded",
];

const SWAPS: [&str; 9] = [
    // Where there is only one interval, whoever dies here does not come to `verify/compared`.
    "verify/after-record",
    "cutover/locked",
    "cutover/swapped",
    "cutover/before-commit",
    "cutover/committed",
    "rollback/before-commit",
    "rollback/committed",
    "rollback/before-drop-commit",
    "rollback/dropped",
];

/// Where a way ends.
#[derive(Clone, Copy)]
enum End {
    RolledBack,
    Contracted,
}

/// Up to the cutover, and back or on to the end, with these deaths on the way.
async fn way(leads: &Leads, load: &Running, kills: &mut Kills, end: End) -> Result<()> {
    kills.run(&leads.program, UP).await?;
    load.switch_shape(leads.common_shape()?).await;
    kills.run(&leads.program, CUTOVER).await?;
    leads.expect_equal(true).await?;
    load.switch_shape(leads.new_shape()?).await;
    load.every_kind_again(1).await?;
    match end {
        End::Contracted => kills.run(&leads.program, CONTRACT).await,
        End::RolledBack => {
            load.switch_shape(leads.common_shape()?).await;
            kills.run(&leads.program, ROLLBACK).await?;
            load.switch_shape(leads.old_shape()).await;
            Ok(())
        }
    }
}

/// A whole way with all these deaths, looked at from all sides.
async fn dies_and_loses_nothing(leads: Leads, mut kills: Kills, end: End) -> Result<()> {
    let load = leads.load(Load::default()).await?;
    way(&leads, &load, &mut kills, end).await?;
    load.every_kind_again(1).await?;
    let report = load.stop().await;
    Leads::expect_no_failure(&report)?;
    kills.expect_all_happened()?;
    match end {
        End::Contracted => leads.expect_contracted().await,
        End::RolledBack => leads.expect_undone().await,
    }
}

/// The steps of the plan whose action is carried out by the executor, in order, and whether they
/// are index builds.
async fn steps(leads: &Leads) -> Result<Vec<(String, bool)>> {
    let plan = leads.plan().await?;
    let steps = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Transaction => Some((step.id.to_string(), false)),
        Action::ConcurrentIndex { .. } => Some((step.id.to_string(), true)),
        Action::Backfill | Action::Verify | Action::Swap => None,
    });
    Ok(steps.collect())
}

#[test]
fn every_failpoint_has_a_test() -> Result<()> {
    let covered: BTreeSet<&str> = COVERED.into_iter().flatten().copied().collect();
    let found = failpoints_in_sources()?;
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, covered);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_within_the_state_schema_it_is_made_anew() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let mut kills = Kills::new(in_order(COVERED[0].iter().copied()));
    kills.run(&leads.program, "init").await?;
    kills.expect_all_happened()?;
    leads.program.succeed("list").await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_at_the_start_of_each_step_it_goes_on() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let points = steps(&leads).await?;
    let points = points.iter().map(|(id, _)| format!("step/{id}/started"));
    dies_and_loses_nothing(leads, Kills::new(in_order(points)), End::Contracted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_within_each_step_it_does_the_step_again() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let points = steps(&leads).await?;
    let points = points.iter().map(|(id, is_index)| match is_index {
        true => format!("step/{id}/built"),
        false => format!("step/{id}/before-commit"),
    });
    dies_and_loses_nothing(leads, Kills::new(in_order(points)), End::Contracted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_at_the_end_of_each_step_it_does_not_do_it_twice() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let points = steps(&leads).await?;
    let points = points.iter().map(|(id, _)| format!("step/{id}/finished"));
    dies_and_loses_nothing(leads, Kills::new(in_order(points)), End::Contracted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_while_it_copies_and_verifies_it_goes_on() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let kills = Kills::new(in_order(COPY_AND_VERIFY));
    dies_and_loses_nothing(leads, kills, End::RolledBack).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_in_later_chunks_it_goes_on_from_the_checkpoint() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let kills = COPY_AND_VERIFY[..4]
        .iter()
        .map(|point| Kill::later(*point, 2));
    dies_and_loses_nothing(leads, Kills::new(kills), End::Contracted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_at_the_swap_and_on_the_way_back_it_goes_on() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    dies_and_loses_nothing(leads, Kills::new(in_order(SWAPS)), End::RolledBack).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_before_one_commit_after_another_it_goes_on() -> Result<()> {
    each_commit("transaction/before-commit", End::Contracted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_after_one_commit_after_another_it_goes_on() -> Result<()> {
    each_commit("transaction/after-commit", End::RolledBack).await
}

/// The first, the second, the third, the fifth commit of a run, and so on: until a command no
/// longer comes so far.
async fn each_commit(point: &str, end: End) -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let last = match end {
        End::RolledBack => ROLLBACK,
        End::Contracted => CONTRACT,
    };
    let mut died = Vec::new();
    let load = leads.load(Load::default()).await?;
    for line in [UP, CUTOVER, last] {
        load.switch_shape(match line {
            UP => leads.old_shape(),
            CUTOVER => leads.common_shape()?,
            _ => leads.new_shape()?,
        })
        .await;
        if line == ROLLBACK {
            load.switch_shape(leads.common_shape()?).await;
        }
        let mut kills = Kills::new(counts(point, &[0, 1, 2, 4, 7, 12, 20, 33, 54, 88]));
        kills.run(&leads.program, line).await?;
        died.push(kills.died());
        load.every_kind_again(1).await?;
    }
    let report = load.stop().await;
    Leads::expect_no_failure(&report)?;
    assert!(died[0] >= 5 && died[1] >= 1 && died[2] >= 1, "{died:?}");
    match end {
        End::Contracted => leads.expect_contracted().await,
        End::RolledBack => leads.expect_undone().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_over_missing_rows_and_over_a_repair_it_goes_on() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let (admin, program) = (&leads.scene.admin, &leads.program);
    program.succeed("expand plan.yaml --free-disk 1TiB").await?;
    // The copy passes a row by that somebody holds; the closing pass finds it missing.
    let holder = leads
        .scene
        .database
        .session("holder", crossfade_testkit::Role::Superuser)
        .await?;
    holder
        .run("begin; select from public.leads where id = 77 for update")
        .await?;
    let run = program
        .run(
            "backfill leads_wider",
            "backfill/missing-found=return(kill)",
        )
        .await?;
    assert!(run.killed, "{run:?}");
    holder.run("commit").await?;
    program.succeed("backfill leads_wider").await?;

    // Damage that only a repair mends.
    let target = leads.target()?;
    admin
        .run(&format!(
            "delete from {target} where id between 100 and 110"
        ))
        .await?;
    let run = program
        .run(
            "verify leads_wider --repair",
            "verify/repaired=return(kill)",
        )
        .await?;
    assert!(run.killed, "{run:?}");
    program.succeed("verify leads_wider --repair").await?;
    program.succeed(CUTOVER).await?;
    leads.expect_equal(true).await?;
    program.succeed(CONTRACT).await?;
    leads.expect_contracted().await
}
