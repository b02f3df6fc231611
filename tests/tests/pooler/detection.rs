//! What stands in between is found out before anything is touched.

use crossfade_testkit::{PgBouncer, PoolMode, Result, Role, TestDatabase};
use crossfade_tests::crash::Run;

use crate::fixture::{BACKFILL, EXPAND, POOL, Pooled, REFUSED};

const ROWS: u32 = 100;
const PREFLIGHT: &str = "preflight plan.yaml --free-disk 1TiB";

/// Neither a migration nor anything of one was made.
async fn expect_untouched(pooled: &Pooled) -> Result<()> {
    let scene = &pooled.leads.scene;
    let registered = "select count(*) > 0 from crossfade.migration";
    let registered: bool = scene.admin.query_one_value(registered).await?;
    assert!(!registered, "a migration was registered");
    assert_eq!(scene.left_behind().await?, Vec::<String>::new());
    pooled.expect_nothing_on_servers().await
}

fn expect_refused(run: &Run, texts: &[&str]) {
    assert_eq!(run.code, Some(REFUSED), "{run:?}");
    // Tables and errors are wrapped.
    let words: Vec<&str> = run.output.split_whitespace().collect();
    let output = words.join(" ");
    for text in texts {
        assert!(output.contains(text), "{text:?} is not in {output}");
    }
}

async fn refused(pooled: &Pooled, texts: &[&str]) -> Result<()> {
    let run = pooled.leads.program.run(PREFLIGHT, "").await?;
    expect_refused(&run, &["checks did not pass: pooler"]);
    let run = pooled.leads.program.run(EXPAND, "").await?;
    expect_refused(&run, texts);
    expect_untouched(pooled).await
}

/// In a pool of a single connection no transaction ever changes its backend.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_direct_way_an_index_is_refused_at_once() -> Result<()> {
    for size in [1, POOL] {
        let mut pooled = Pooled::without_direct_way(ROWS, "batch_size: 500", size).await?;
        refused(&pooled, &["pooler in transaction mode", "--ddl-url"]).await?;
        let direct = pooled.leads.scene.database.url(Role::Migrator);
        pooled.go(Some(direct));
        pooled.succeed(PREFLIGHT).await?;
        pooled.succeed(EXPAND).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_way_that_leads_elsewhere_is_refused() -> Result<()> {
    let mut pooled = Pooled::without_direct_way(ROWS, "batch_size: 500", POOL).await?;
    // To the same pooler by another name, which no comparison of addresses would see.
    let again = format!("{}&application_name=direct", pooled.url());
    pooled.go(Some(again));
    refused(
        &pooled,
        &["--ddl-url leads to a pooler in transaction mode"],
    )
    .await?;

    let database = &pooled.leads.scene.database;
    let server = database.server();
    pooled.go(Some(server.url(server.superuser(), server.superuser())));
    refused(&pooled, &["--ddl-url leads to another database"]).await?;

    let app = pooled.leads.scene.database.url(Role::App);
    pooled.go(Some(app));
    refused(&pooled, &["is no member of the table's owner"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn own_cluster_a_direct_way_to_another_server_is_refused() -> Result<()> {
    use crossfade_sandbox::cluster::{Cluster, ClusterOptions};
    let mut pooled = Pooled::without_direct_way(ROWS, "batch_size: 500", POOL).await?;
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let other = TestDatabase::create_in(&cluster).await?;
    let owner = pooled.leads.scene.database.owner();
    other
        .session("admin", Role::Superuser)
        .await?
        .run(&format!("create role \"{owner}\""))
        .await?;
    pooled.go(Some(other.url(Role::Superuser)));
    refused(&pooled, &["--ddl-url leads to another server"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_may_keep_sessions_is_for_somebody_to_accept() -> Result<()> {
    let mut pooled = Pooled::behind(PoolMode::Session, ROWS, "batch_size: 500", 12).await?;
    let run = pooled.leads.program.run(EXPAND, "").await?;
    expect_refused(&run, &["--accept-unknown pooler"]);
    let accepted = format!("{EXPAND} --accept-unknown pooler");
    pooled.succeed(&accepted).await?;
    pooled.succeed(BACKFILL).await?;
    // With the server's own address there is nothing to accept.
    let direct = pooled.leads.scene.database.url(Role::Migrator);
    pooled.go(Some(direct));
    pooled.succeed("rollback leads_wider --yes").await?;
    pooled.succeed(EXPAND).await
}

/// The check is long past when a later command forgets the option.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_command_without_the_direct_way_builds_no_index() -> Result<()> {
    let mut pooled = Pooled::create(ROWS, "batch_size: 500").await?;
    let direct = pooled.leads.scene.database.url(Role::Migrator);
    pooled.succeed(EXPAND).await?;
    pooled.go(None);
    let run = pooled.leads.program.run(BACKFILL, "").await?;
    expect_refused(&run, &["is a pooler in transaction mode", "--ddl-url"]);
    pooled.expect_nothing_on_servers().await?;
    pooled.go(Some(direct));
    pooled.succeed(BACKFILL).await
}

/// Two poolers behind one address: each keeps a connection to one backend, and whether two of ours
/// meet in the same one is chance.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_poolers_none_is_overlooked() -> Result<()> {
    let mut pooled = Pooled::without_direct_way(ROWS, "batch_size: 500", 1).await?;
    let database = &pooled.leads.scene.database;
    let other = PgBouncer::start(database, PoolMode::Transaction, 1).await?;
    let both = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} load_balance_hosts=random user={} password={} dbname={}",
        pooled.pooler.port(),
        other.port(),
        database.migrator(),
        database.server().password(),
        database.name(),
    );
    pooled.leads.program.go_through(both, None);
    for _ in 0..5 {
        let run = pooled.leads.program.run(PREFLIGHT, "").await?;
        expect_refused(&run, &["stands in between", "--ddl-url"]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pooler_is_seen_where_there_is_none() -> Result<()> {
    let mut pooled = Pooled::without_direct_way(ROWS, "batch_size: 500", POOL).await?;
    let url = pooled.leads.scene.database.url(Role::Migrator);
    for direct in [None, Some(url.clone())] {
        pooled.leads.program.go_through(url.clone(), direct);
        let run = pooled.leads.program.run(PREFLIGHT, "").await?;
        run.expect_success(PREFLIGHT)?;
        assert!(run.output.contains("no pooler"), "{run:?}");
    }
    Ok(())
}
