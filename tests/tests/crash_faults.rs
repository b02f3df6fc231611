//! What others do to a running migration: end its backends, crash the server, start a second
//! runner, take over after a death.

use std::time::Duration;

use crossfade_sandbox::cluster::{Cluster, ClusterOptions, StopMode};
use crossfade_sandbox::workload::OnDisconnect;
use crossfade_testkit::{Result, TestDatabase};
use crossfade_tests::crash::{Leads, Load, Place, Watch};

const ROWS: u32 = 10_000;
/// Some seconds of copying.
const BACKFILL: &str = "batch_size: 200, rows_per_second: 4000";

const UP: &str = "run plan.yaml --to verify --free-disk 1TiB";
const CUTOVER: &str = "cutover leads_wider";
const CONTRACT: &str = "contract leads_wider --yes";

/// Exit codes.
const LEASE_HELD: i32 = 4;
const RETRYABLE: i32 = 8;

/// Cuts over and contracts, and looks at the end.
async fn finish(leads: &Leads, load: crossfade_sandbox::workload::Running) -> Result<()> {
    load.switch_shape(leads.common_shape()?).await;
    leads.program.succeed(CUTOVER).await?;
    load.switch_shape(leads.new_shape()?).await;
    leads.program.succeed(CONTRACT).await?;
    load.every_kind_again(1).await?;
    let report = load.stop().await;
    Leads::expect_no_failure(&report)?;
    leads.expect_contracted().await
}

/// Ends all backends of the migrating role; returns how many there were.
async fn terminate_backends(leads: &Leads) -> Result<i64> {
    let role = leads.scene.database.migrator();
    let sql = format!(
        "select count(*) filter (where pg_terminate_backend(pid)) \
         from pg_stat_activity where usename = '{role}'"
    );
    Ok(leads.scene.admin.query_one_value(&sql).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_backends_are_ended_again_and_again_goes_on_by_itself() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let watch = Watch::new(&leads).await?;
    let load = leads.load(Load::default()).await?;
    let slowed = "backfill/claimed=sleep(250);verify/compared=sleep(300)";
    let mut process = leads.program.start(UP, slowed).await?;
    let mut ended = [0, 0];
    for place in [Place::Backfill, Place::Verify] {
        for _ in 0..5 {
            if !watch.wait_for(place, &mut process).await? {
                break;
            }
            // Not for a state: the very moment is what is random.
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..200))).await;
            let backends = terminate_backends(&leads).await?;
            ended[usize::from(place == Place::Verify)] += i64::from(backends > 0);
        }
    }
    process.wait().await?.expect_success(UP)?;
    assert!(ended[0] >= 2 && ended[1] >= 1, "ended {ended:?} times");
    finish(&leads, load).await
}

#[tokio::test(flavor = "multi_thread")]
async fn own_cluster_a_crash_of_the_server_loses_nothing() -> Result<()> {
    let mut cluster = Cluster::start(&ClusterOptions::default().durable()).await?;
    let database = TestDatabase::create_in(&cluster).await?;
    let mut leads = Leads::create_on(database, ROWS, BACKFILL).await?;
    let load = Load {
        on_disconnect: OnDisconnect::Reconnect,
        ..Load::default()
    };
    let load = leads.load(load).await?;
    for place in [Place::Backfill, Place::Closing, Place::Verify] {
        let slowed = "transaction/before-commit=sleep(30);verify/compared=sleep(300)";
        let mut process = leads.program.start(UP, slowed).await?;
        let watch = Watch::new(&leads).await?;
        assert!(watch.wait_for(place, &mut process).await?, "no {place}");
        cluster.restart(StopMode::Immediate).await?;
        leads.reconnect().await?;
        // It goes on by itself, or ends as what passes by itself: then the same command goes on.
        if place == Place::Verify {
            let run = process.wait().await?;
            let passes = run.code == Some(RETRYABLE);
            assert!(passes || run.code == Some(0), "{run:?}");
        } else {
            process.kill().await?;
        }
    }
    leads.program.succeed(UP).await?;
    assert!(load.snapshot().disconnects > 0);
    finish(&leads, load).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runners_one_is_told_of_the_other() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let watch = Watch::new(&leads).await?;
    let load = leads.load(Load::default()).await?;
    let mut first = leads.program.start(UP, "").await?;
    assert!(watch.wait_for(Place::Backfill, &mut first).await?);
    let second = leads.program.run(UP, "").await?;
    assert_eq!(second.code, Some(LEASE_HELD), "{second:?}");
    first.wait().await?.expect_success(UP)?;
    finish(&leads, load).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_start_at_once_one_works() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    leads.program.succeed("init").await?;
    let both = [
        leads.program.start(UP, "").await?,
        leads.program.start(UP, "").await?,
    ];
    let mut codes = Vec::new();
    for process in both {
        codes.push(process.wait().await?.code);
    }
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(LEASE_HELD)]);
    leads.program.succeed(CUTOVER).await?;
    leads.program.succeed(CONTRACT).await?;
    leads.expect_contracted().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_the_dead_is_taken_over_when_it_has_expired() -> Result<()> {
    let leads = Leads::create(ROWS, BACKFILL).await?;
    let watch = Watch::new(&leads).await?;
    let load = leads.load(Load::default()).await?;
    let mut first = leads.program.start(UP, "").await?;
    assert!(watch.wait_for(Place::Backfill, &mut first).await?);
    let admin = &leads.scene.admin;
    let copied = "select coalesce(sum(chunks), 0) > 0 from crossfade.task_range";
    admin.wait_until(copied).await?;
    first.kill().await?;
    let expires = "select expires_at::text from crossfade.lease";
    let expires: String = admin.query_one_value(expires).await?;
    let mut second = leads.program.start(UP, "").await?;
    assert!(watch.wait_for(Place::Backfill, &mut second).await?);
    let after: bool = admin
        .query_one_value(&format!(
            "select acquired_at >= '{expires}' from crossfade.lease"
        ))
        .await?;
    assert!(after, "taken before it had expired");
    assert!(
        admin.query_one_value::<bool>(copied).await?,
        "the copy began afresh"
    );
    second.wait().await?.expect_success(UP)?;
    finish(&leads, load).await
}
