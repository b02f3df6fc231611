//! What others hold, take or break while a stage is under way: which error tells of it, and that
//! the stage goes on once it is out of the way.

use crossfade_testkit::{Result, Role, Session};
use serde_json::Value;

use crate::scene::{PLAN, Scene, leads_to, names};

/// Slow enough to be caught at work.
const SLOW: &str = "backfill: { rows_per_second: 100, batch_size: 10 }\n";

/// A scene whose table has a second index, in a stage.
async fn indexed(stage: &str) -> Result<Scene> {
    let scene = Scene::create(10).await?;
    scene
        .admin
        .run("create index orders_total on public.orders (total)")
        .await?;
    scene.up_to(stage)?;
    Ok(scene)
}

/// Somebody else, who does this and does not let go of it.
async fn holder(scene: &Scene, sql: &str) -> Result<Session> {
    let holder = scene.database.session("holder", Role::Superuser).await?;
    holder.run(sql).await?;
    Ok(holder)
}

/// Who is in the way is named.
fn names_holder(error: &Value, holder: &Session) {
    names(error, &format!("process {}", holder.pid()));
}

/// The stage goes on once the holder has let go.
async fn goes_on(scene: &Scene, holder: Session, line: &str) -> Result<()> {
    holder.run("rollback").await?;
    assert_eq!(scene.result(0, line)?["end"], "reached", "{line}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_another_took_meanwhile() -> Result<()> {
    let scene = Scene::with_plan(2_000, &format!("{PLAN}{SLOW}")).await?;
    scene.up_to("expand")?;
    // Its heart beats so rarely that a chunk finds it out first.
    let runner = scene
        .program("backfill orders --lease-ttl 1h --format json")
        .start()?;
    scene
        .admin
        .wait_until("select exists (select from public.orders__new)")
        .await?;
    // As a takeover does it.
    scene
        .admin
        .run(
            "update crossfade.lease set epoch = epoch + 1,
                 owner = 'elsewhere/1/00000000-0000-0000-0000-000000000000',
                 expires_at = now() + interval '1 hour'",
        )
        .await?;
    let run = runner.wait()?;
    assert_eq!(run.code, Some(4), "{run:?}");
    let error: Value = serde_json::from_str(run.stderr.lines().last().ok_or("an error")?)?;
    assert_eq!(error["code"], "E0041", "{run:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_the_last_runner() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    let last = holder(&scene, "begin; select from crossfade.lease for key share").await?;
    let line = "backfill orders --lease-ttl 1s --max-wait 1s";
    scene.fails(8, "E0042", line)?;
    goes_on(&scene, last, "backfill orders").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_an_index_needs() -> Result<()> {
    let scene = indexed("expand").await?;
    scene
        .admin
        .run("create table public.orders_total__new ()")
        .await?;
    let error = scene.fails(7, "E0059", "backfill orders")?;
    names(&error, "orders_total__new");
    scene
        .admin
        .run("drop table public.orders_total__new")
        .await?;
    assert_eq!(scene.result(0, "backfill orders")?["end"], "reached");
    Ok(())
}

/// The target takes no change, and says it did: a comparison that sees none is as good as blind.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_sees_nothing() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("backfill")?;
    scene
        .admin
        .run(
            "create function public.keep() returns trigger language plpgsql
                 as $$ begin return old; end $$;
             create trigger keep before update on public.orders__new
                 for each row execute function public.keep()",
        )
        .await?;
    scene.fails(7, "E0065", "verify orders --self-test --seed 1")?;
    assert_eq!(scene.status()?["stage"], "backfilled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    scene.admin.run("drop table public.orders cascade").await?;
    let error = scene.fails(7, "E0067", "backfill orders")?;
    leads_to(&error, "crossfade rollback orders");
    scene.fails(7, "E0067", "run orders.yaml")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    scene.admin.run("drop table public.orders__new").await?;
    for line in ["backfill orders", "run orders.yaml"] {
        let error = scene.fails(7, "E0067", line)?;
        names(&error, "orders__new");
        leads_to(&error, "crossfade rollback orders");
    }
    assert_eq!(
        scene.result(0, "rollback orders --yes")?["stage"],
        "rolled_back"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_before_the_cutover() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("verify")?;
    scene.admin.run("drop table public.orders__new").await?;
    for line in ["verify orders", "cutover orders"] {
        let error = scene.fails(7, "E0067", line)?;
        leads_to(&error, "crossfade rollback orders");
    }
    Ok(())
}

/// Every write fails until the old side bears its name again, and there is no way back without it.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_side_that_is_gone() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("cutover")?;
    scene.admin.run("drop table public.orders__old").await?;
    let error = scene.fails(7, "E0067", "rollback orders --yes")?;
    names(&error, "orders__old");
    leads_to(&error, "crossfade contract orders");
    assert_eq!(
        scene.result(0, "contract orders --yes")?["stage"],
        "contracted"
    );
    Ok(())
}

/// Nothing tells where a key of the target is: each chunk would read it whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_finds_no_index() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    let target = "alter table public.orders__new";
    let name: String = scene
        .admin
        .query_one_value(
            "select quote_ident(conname) from pg_constraint \
             where conrelid = 'public.orders__new'::regclass and contype = 'p'",
        )
        .await?;
    scene
        .admin
        .run(&format!("{target} drop constraint {name}"))
        .await?;
    let error = scene.fails(7, "E0068", "backfill orders")?;
    leads_to(&error, "crossfade backfill orders");
    scene
        .admin
        .run(&format!("{target} add constraint {name} primary key (id)"))
        .await?;
    assert_eq!(scene.result(0, "backfill orders")?["end"], "reached");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_blocks_no_writer() -> Result<()> {
    let scene = Scene::create(10).await?;
    // Nothing is to be proved of the target, so that its statistics are what comes next.
    scene
        .admin
        .run("alter table public.orders alter total drop not null")
        .await?;
    scene.up_to("expand")?;
    let vacuum = holder(
        &scene,
        "begin; lock table public.orders__new in share update exclusive mode",
    )
    .await?;
    let error = scene.fails(8, "E0070", "backfill orders --max-wait 1s")?;
    leads_to(&error, "crossfade backfill orders");
    goes_on(&scene, vacuum, "backfill orders").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_snapshot() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    let reader = holder(
        &scene,
        "begin isolation level repeatable read; select count(*) from public.orders",
    )
    .await?;
    let error = scene.fails(8, "E0072", "backfill orders --max-wait 0s")?;
    names_holder(&error, &reader);
    goes_on(&scene, reader, "backfill orders").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_stays_locked() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    let writer = holder(
        &scene,
        "begin; select from public.orders where id = 5 for update",
    )
    .await?;
    let error = scene.fails(8, "E0073", "backfill orders --max-wait 0s")?;
    names_holder(&error, &writer);
    goes_on(&scene, writer, "backfill orders").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_on_the_target() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("expand")?;
    let truncate = holder(
        &scene,
        "begin; lock table public.orders__new in access exclusive mode",
    )
    .await?;
    scene.fails(8, "E0074", "backfill orders --max-wait 1s")?;
    goes_on(&scene, truncate, "backfill orders").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_build_of_an_earlier_runner() -> Result<()> {
    let scene = indexed("expand").await?;
    let writer = holder(
        &scene,
        "begin; lock table public.orders__new in row exclusive mode",
    )
    .await?;
    // Of the same role: of others, the server shows no progress.
    let build = scene.database.session("build", Role::Migrator).await?;
    let finished = build.start(
        "create index concurrently orders_total__new on public.orders__new using btree (total)",
    );
    scene.admin.wait_until_blocked(build.pid()).await?;
    let error = scene.fails(8, "E0075", "backfill orders --max-wait 0s")?;
    leads_to(&error, "Run the command again later");
    writer.run("rollback").await?;
    finished.await??;
    assert_eq!(scene.result(0, "backfill orders")?["end"], "reached");
    Ok(())
}

/// What writes says so, whatever the role's transactions do by default.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_whose_transactions_only_read() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene
        .admin
        .run("create index orders_total on public.orders (total)")
        .await?;
    let migrator = scene.database.migrator();
    scene
        .admin
        .run(&format!(
            "alter role \"{migrator}\" set default_transaction_read_only = on"
        ))
        .await?;
    scene.up_to("cutover")?;
    scene.result(0, "pause orders")?;
    scene.result(0, "resume orders")?;
    scene.result(0, "rollback orders --yes")?;
    assert_eq!(scene.status()?["stage"], "rolled_back");
    Ok(())
}
