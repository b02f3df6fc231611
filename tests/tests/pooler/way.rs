//! The whole way, under load.

use crossfade_testkit::{Result, Role};
use crossfade_tests::crash::{Leads, Load};

use crate::fixture::{CONTRACT, CUTOVER, EXPAND, Pooled, ROLLBACK, UP};

const ROWS: u32 = 4_000;

#[tokio::test(flavor = "multi_thread")]
async fn up_back_and_up_again_through_a_pooler() -> Result<()> {
    let pooled = Pooled::create(ROWS, "batch_size: 500").await?;
    let leads = &pooled.leads;
    let load = leads.load(Load::default()).await?;
    pooled.succeed(UP).await?;
    load.switch_shape(leads.common_shape()?).await;
    pooled.succeed(CUTOVER).await?;
    load.switch_shape(leads.new_shape()?).await;
    load.every_kind_again(1).await?;
    load.switch_shape(leads.common_shape()?).await;
    pooled.succeed(ROLLBACK).await?;
    load.switch_shape(leads.old_shape()).await;
    load.every_kind_again(1).await?;
    let report = load.stop().await;
    Leads::expect_no_failure(&report)?;
    leads.expect_undone().await?;
    pooled.expect_nothing_on_servers().await?;

    // It did go through the pooler, whose connections are the only ones left.
    let database = &leads.scene.database;
    let servers = pooled.pooler.servers(database, Role::Migrator).await?;
    assert!(!servers.is_empty());
    let role = database.migrator();
    let sessions: Vec<i32> = leads
        .scene
        .admin
        .query_one_value(&format!(
            "select array(select pid from pg_stat_activity where usename = '{role}')"
        ))
        .await?;
    assert!(
        sessions.iter().all(|pid| servers.contains(pid)),
        "{sessions:?} of which the pooler has {servers:?}"
    );

    pooled.succeed(EXPAND).await?;
    pooled.succeed(UP).await?;
    pooled.succeed(CUTOVER).await?;
    pooled.succeed(CONTRACT).await?;
    leads.expect_contracted().await?;
    pooled.expect_nothing_on_servers().await
}
