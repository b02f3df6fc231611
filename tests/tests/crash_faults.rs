//! What others do to a running migration: end its backends, crash the server, start a second
//! runner, take over after a death.

use std::time::Duration;

use crossfade_sandbox::cluster::{Cluster, ClusterOptions, StopMode};
use crossfade_sandbox::workload::OnDisconnect;
use crossfade_testkit::{Result, Role, TestDatabase};
use crossfade_tests::crash::{Leads, Load, Place, Process, Watch};

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

/// The build of an index goes on at the server when its runner is dead.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_the_dead_was_building_is_waited_for_and_adopted() -> Result<()> {
    let leads = Leads::create(ROWS, "batch_size: 5000").await?;
    let admin = &leads.scene.admin;
    let backfill = "backfill leads_wider";
    leads
        .program
        .succeed("expand plan.yaml --free-disk 1TiB")
        .await?;
    // A writer of the target that does not end: the build waits for it.
    let holder = leads
        .scene
        .database
        .session("holder", Role::Superuser)
        .await?;
    let target = leads.target()?;
    let building = "select count(*) > 0 from pg_stat_progress_create_index \
         where datname = current_database() and index_relid <> 0";
    let hold = format!("begin; lock table {target} in row exclusive mode");
    holder.run(&hold).await?;
    let first = leads.program.start(backfill, "").await?;
    admin.wait_until(building).await?;
    let index = "select index_relid::int8 from pg_stat_progress_create_index \
         where datname = current_database()";
    let index: i64 = admin.query_one_value(index).await?;
    first.kill().await?;
    let second: Process = leads.program.start(backfill, "").await?;
    let takeover = "select owner like '%/' || $1 || '/%' from crossfade.lease";
    let takeover = takeover.replace("$1", &format!("'{}'", second.id()));
    admin.wait_until(&takeover).await?;
    // It has come to the index, and has seen that somebody is at it.
    admin
        .wait_until(
            "select exists (select from pg_stat_activity where datname = current_database() \
             and query like '%:leads_wider/index */%' and query not like '%create%concurrently%')",
        )
        .await?;
    assert!(admin.query_one_value::<bool>(building).await?);
    holder.run("commit").await?;
    second.wait().await?.expect_success(backfill)?;
    let adopted =
        format!("select count(*) > 0 from pg_index where indexrelid = {index} and indisvalid");
    assert!(
        admin.query_one_value::<bool>(&adopted).await?,
        "it was built anew"
    );
    leads.program.succeed("verify leads_wider").await?;
    leads.program.succeed(CUTOVER).await?;
    leads.program.succeed(CONTRACT).await?;
    leads.expect_contracted().await
}

/// Behind the TRUNCATE everybody waits, and the build for everybody with an older snapshot: left
/// alone, that is a deadlock of which an application would be the victim.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_build_gives_way_to_a_truncate() -> Result<()> {
    let leads = Leads::create(ROWS, "batch_size: 5000").await?;
    let (admin, database) = (&leads.scene.admin, &leads.scene.database);
    let backfill = "backfill leads_wider";
    let expand = "expand plan.yaml --free-disk 1TiB";
    leads.program.succeed(expand).await?;
    let reader = database.session("reader", Role::App).await?;
    let app = database.session("app", Role::App).await?;
    reader
        .run("begin isolation level repeatable read; select")
        .await?;
    let process = leads.program.start(backfill, "").await?;
    admin
        .wait_until(
            "select count(*) > 0 from pg_stat_progress_create_index \
             where datname = current_database() and phase like 'waiting%'",
        )
        .await?;
    let truncate = app.start("truncate public.leads, public.leads_control");
    tokio::time::timeout(Duration::from_secs(30), truncate)
        .await
        .map_err(|_| "the application waits for the build of an index")???;
    reader.run("commit").await?;
    process.wait().await?.expect_success(backfill)?;
    app.run(
        "insert into public.leads (id, name) values (1, 'a b'); \
         insert into public.leads_control select * from public.leads",
    )
    .await?;
    leads.program.succeed("verify leads_wider").await?;
    leads.program.succeed(CUTOVER).await?;
    leads.program.succeed(CONTRACT).await?;
    leads.expect_contracted().await
}
