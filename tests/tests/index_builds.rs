//! Index builds among applications and deaths: a build holds a lock on the target until its end and
//! waits for everybody with an older snapshot. An application that waits for it must not become
//! the victim of a deadlock, whether the build's runner is alive, dead or out of sight.

use std::time::Duration;

use crossfade_plan::execution::{Action, Step};
use crossfade_testkit::{Result, Role, Session};
use crossfade_tests::crash::{Leads, Process};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::error::SqlState;

const ROWS: u32 = 10_000;
const COPY: &str = "batch_size: 5000";

const EXPAND: &str = "expand plan.yaml --free-disk 1TiB";
const BACKFILL: &str = "backfill leads_wider";

const TRUNCATE: &str = "truncate public.leads, public.leads_control";

/// The only build has come so far that the index is in the catalog.
const BUILDING: &str = "select count(*) > 0 from pg_stat_progress_create_index \
     where datname = current_database() and index_relid <> 0";
const NO_BUILD: &str = "select count(*) = 0 from pg_stat_progress_create_index \
     where datname = current_database()";
const WAITING: &str = "select count(*) > 0 from pg_stat_progress_create_index \
     where datname = current_database() and phase like 'waiting for old snapshots'";
const WATCHED: &str = "select exists (select from pg_stat_activity where datname = current_database() \
     and state = 'active' and query like '%:leads_wider/watch */ do %')";
const INDEX: &str = "select index_relid::int8 from pg_stat_progress_create_index \
     where datname = current_database()";

/// A build that waits for an old snapshot.
struct Waiting {
    leads: Leads,
    process: Process,
    /// Has the snapshot.
    reader: Session,
    app: Session,
}

impl Waiting {
    async fn start() -> Result<Self> {
        let leads = Leads::create(ROWS, COPY).await?;
        let database = &leads.scene.database;
        leads.program.succeed(EXPAND).await?;
        let reader = database.session("reader", Role::App).await?;
        let app = database.session("app", Role::App).await?;
        reader
            .run("begin isolation level repeatable read; select")
            .await?;
        let process = leads.program.start(BACKFILL, "").await?;
        leads.scene.admin.wait_until(WAITING).await?;
        Ok(Self {
            leads,
            process,
            reader,
            app,
        })
    }
}

/// The first index that is built.
async fn first_index(leads: &Leads) -> Result<(Step, String)> {
    let plan = leads.plan().await?;
    let found = plan.steps.into_iter().find_map(|step| match &step.action {
        Action::ConcurrentIndex { index, .. } => {
            let index = index.to_string();
            Some((step, index))
        }
        _ => None,
    });
    Ok(found.ok_or("the plan builds no index")?)
}

/// A runner that dies before it sends a step's statements.
async fn die_before(leads: &Leads, step: &Step) -> Result<()> {
    let here = format!("step/{}/started=return(kill)", step.id);
    let run = leads.program.run(BACKFILL, &here).await?;
    if run.killed {
        Ok(())
    } else {
        Err(format!("it came past {here}: {run:?}").into())
    }
}

/// Waits until a new runner has come to the index, and rests between two looks at what the other
/// one does there.
async fn wait_until_it_waits(leads: &Leads, process: &Process) -> Result<()> {
    let admin = &leads.scene.admin;
    let id = process.id();
    let takeover = format!("select owner like '%/{id}/%' from crossfade.lease");
    admin.wait_until(&takeover).await?;
    admin
        .wait_until(
            "select exists (select from pg_stat_activity where datname = current_database() \
             and query like '%:leads_wider/index */%pg_blocking_pids%' and state = 'idle' \
             and state_change < clock_timestamp() - interval '20 ms')",
        )
        .await
}

/// Waits for the end of an application's statement, which must come soon.
async fn soon<T>(ends: impl Future<Output = T>) -> Result<T> {
    let ended = tokio::time::timeout(Duration::from_secs(30), ends).await;
    ended.map_err(|_| "the application waits for the build of an index".into())
}

/// The rest of the way.
async fn finish(leads: &Leads) -> Result<()> {
    leads.program.succeed("verify leads_wider").await?;
    leads.program.succeed("cutover leads_wider").await?;
    leads.program.succeed("contract leads_wider --yes").await?;
    leads.expect_contracted().await
}

/// What an application writes after it has emptied the table.
async fn fill_again(app: &Session) -> Result<()> {
    let insert = "insert into public.leads (id, name) values (1, 'a b'); \
         insert into public.leads_control select * from public.leads";
    Ok(app.run(insert).await?)
}

/// Nobody watches it any more.
#[tokio::test(flavor = "multi_thread")]
async fn the_build_of_a_killed_runner_ends_with_it() -> Result<()> {
    let Waiting {
        leads,
        process,
        reader,
        app,
    } = Waiting::start().await?;
    let admin = &leads.scene.admin;
    let index: i64 = admin.query_one_value(INDEX).await?;
    process.kill().await?;
    // The snapshot that it waits for is still there.
    admin.wait_until(NO_BUILD).await?;
    // It would make the index a valid one of an empty table, if it were not rolled back.
    soon(app.start(&format!("begin; {TRUNCATE}"))).await???;
    app.run("rollback").await?;
    let left = format!("select not indisvalid from pg_index where indexrelid = {index}");
    assert!(admin.query_one_value::<bool>(&left).await?, "it is valid");
    reader.run("commit").await?;
    leads.program.succeed(BACKFILL).await?;
    let left = format!("select count(*) from pg_class where oid = {index}");
    assert_eq!(admin.query_one_value::<i64>(&left).await?, 0, "adopted");
    finish(&leads).await
}

/// Stopped, starved or swapped out, it is alive to the server, and cannot look.
#[tokio::test(flavor = "multi_thread")]
async fn the_build_of_a_runner_that_is_stopped_gives_way() -> Result<()> {
    let Waiting {
        leads,
        process,
        reader,
        app,
    } = Waiting::start().await?;
    let admin = &leads.scene.admin;
    admin.wait_until(WATCHED).await?;
    let id = Pid::from_raw(process.id().try_into()?).ok_or("it has ended")?;
    kill_process(id, Signal::STOP)?;
    soon(app.start(TRUNCATE)).await???;
    kill_process(id, Signal::CONT)?;
    reader.run("commit").await?;
    process.wait().await?.expect_success(BACKFILL)?;
    fill_again(&app).await?;
    finish(&leads).await
}

/// The session of the test stands for a runner whose death the server cannot see, as behind a
/// network that is broken.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_runner_is_out_of_sight_is_waited_for_and_adopted() -> Result<()> {
    let leads = Leads::create(ROWS, COPY).await?;
    let (admin, database) = (&leads.scene.admin, &leads.scene.database);
    let (step, _) = first_index(&leads).await?;
    leads.program.succeed(EXPAND).await?;
    die_before(&leads, &step).await?;
    // A writer of the target that does not end: the build waits for it.
    let holder = database.session("holder", Role::Superuser).await?;
    let target = leads.target()?;
    let hold = format!("begin; lock table {target} in row exclusive mode");
    holder.run(&hold).await?;
    let first = database.session("first", Role::Migrator).await?;
    let build = first.start(&step.statements.join("; "));
    admin.wait_until(BUILDING).await?;
    let index: i64 = admin.query_one_value(INDEX).await?;
    let second = leads.program.start(BACKFILL, "").await?;
    wait_until_it_waits(&leads, &second).await?;
    assert!(admin.query_one_value::<bool>(BUILDING).await?);
    holder.run("commit").await?;
    build.await??;
    second.wait().await?.expect_success(BACKFILL)?;
    let adopted =
        format!("select count(*) > 0 from pg_index where indexrelid = {index} and indisvalid");
    assert!(
        admin.query_one_value::<bool>(&adopted).await?,
        "it was built anew"
    );
    finish(&leads).await
}

/// As above; what it was doing shows no progress by which it could be found.
#[tokio::test(flavor = "multi_thread")]
async fn the_removal_of_an_index_by_a_runner_out_of_sight_gives_way() -> Result<()> {
    let leads = Leads::create(ROWS, COPY).await?;
    let (admin, database) = (&leads.scene.admin, &leads.scene.database);
    let (step, index) = first_index(&leads).await?;
    leads.program.succeed(EXPAND).await?;
    die_before(&leads, &step).await?;
    let first = database.session("first", Role::Migrator).await?;
    let app = database.session("app", Role::App).await?;
    let holder = database.session("holder", Role::Superuser).await?;
    let target = leads.target()?;
    // As a build leaves it that was ended.
    first
        .run(&step.statements.join("; ").replace(" concurrently", ""))
        .await?;
    admin
        .run(&format!(
            "update pg_index set indisvalid = false where indexrelid = '{index}'::regclass"
        ))
        .await?;
    holder
        .run(&format!("begin; lock table {target} in access share mode"))
        .await?;
    let removal = first.start(&format!("drop index concurrently {index}"));
    admin.wait_until_blocked(first.pid()).await?;
    let second = leads.program.start(BACKFILL, "").await?;
    wait_until_it_waits(&leads, &second).await?;
    let truncate = app.start(TRUNCATE);
    let ended = soon(removal).await??.expect_err("it goes on");
    assert_eq!(ended.code(), Some(&SqlState::QUERY_CANCELED), "{ended:?}");
    holder.run("commit").await?;
    soon(truncate).await???;
    second.wait().await?.expect_success(BACKFILL)?;
    fill_again(&app).await?;
    finish(&leads).await
}

/// Behind the TRUNCATE everybody waits, and the build for everybody with an older snapshot: left
/// alone, that is a deadlock of which an application would be the victim.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_build_gives_way_to_a_truncate() -> Result<()> {
    let Waiting {
        leads,
        process,
        reader,
        app,
    } = Waiting::start().await?;
    soon(app.start(TRUNCATE)).await???;
    reader.run("commit").await?;
    process.wait().await?.expect_success(BACKFILL)?;
    fill_again(&app).await?;
    finish(&leads).await
}

/// A writer that has waited behind the TRUNCATE for almost a `deadlock_timeout`, when the TRUNCATE
/// comes to the target, would be the victim before anybody sees that the TRUNCATE waits for the
/// build. So the build has given way by then.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_build_gives_way_to_a_truncate_that_is_on_its_way() -> Result<()> {
    let Waiting {
        leads,
        process,
        reader,
        app,
    } = Waiting::start().await?;
    let admin = &leads.scene.admin;
    let writer = leads.scene.database.session("writer", Role::App).await?;
    reader.run("select from public.leads limit 1").await?;
    let truncate = app.start(TRUNCATE);
    let blockers = admin.wait_until_blocked(app.pid()).await?;
    assert_eq!(blockers, [reader.pid()], "the build is not in its way yet");
    let write = writer.start("update public.leads set score = 1 where id = 1");
    admin.wait_until_blocked(writer.pid()).await?;
    admin.wait_until(NO_BUILD).await?;
    reader.run("commit").await?;
    soon(truncate).await???;
    soon(write).await???;
    process.wait().await?.expect_success(BACKFILL)?;
    fill_again(&app).await?;
    finish(&leads).await
}
