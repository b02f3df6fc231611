//! The leads table, and the program behind a PgBouncer.

use crossfade_sandbox::workload::Running;
use crossfade_testkit::{PgBouncer, PoolMode, Result, Role};
use crossfade_tests::crash::Leads;

/// Fewer server connections than the program has connections of its own at work.
pub(crate) const POOL: u16 = 3;

pub(crate) const UP: &str = "run plan.yaml --to verify --free-disk 1TiB";
pub(crate) const EXPAND: &str = "expand plan.yaml --free-disk 1TiB";
pub(crate) const BACKFILL: &str = "backfill leads_wider";
pub(crate) const VERIFY: &str = "verify leads_wider";
pub(crate) const CUTOVER: &str = "cutover leads_wider";
pub(crate) const CONTRACT: &str = "contract leads_wider --yes";
pub(crate) const ROLLBACK: &str = "rollback leads_wider --yes";

/// Exit codes.
pub(crate) const LEASE_HELD: i32 = 4;
pub(crate) const REFUSED: i32 = 7;

/// A table, the program, and what stands between the program and the server.
pub(crate) struct Pooled {
    pub(crate) pooler: PgBouncer,
    pub(crate) leads: Leads,
}

impl Pooled {
    /// The program goes through the pooler, and past it where it must.
    pub(crate) async fn create(rows: u32, backfill: &str) -> Result<Self> {
        let mut pooled = Self::without_direct_way(rows, backfill, POOL).await?;
        let direct = pooled.leads.scene.database.url(Role::Migrator);
        pooled.go(Some(direct));
        Ok(pooled)
    }

    /// The program goes through the pooler alone.
    pub(crate) async fn without_direct_way(rows: u32, backfill: &str, size: u16) -> Result<Self> {
        Self::behind(PoolMode::Transaction, rows, backfill, size).await
    }

    pub(crate) async fn behind(
        mode: PoolMode,
        rows: u32,
        backfill: &str,
        size: u16,
    ) -> Result<Self> {
        let leads = Leads::create(rows, backfill).await?;
        let pooler = PgBouncer::start(&leads.scene.database, mode, size).await?;
        let mut fixture = Self { pooler, leads };
        fixture.go(None);
        Ok(fixture)
    }

    /// Through the pooler; past it by `direct`.
    pub(crate) fn go(&mut self, direct: Option<String>) {
        let url = self.url();
        self.leads.program.go_through(url, direct);
    }

    /// The way through the pooler.
    pub(crate) fn url(&self) -> String {
        self.pooler.url(&self.leads.scene.database, Role::Migrator)
    }

    pub(crate) async fn succeed(&self, line: &str) -> Result<()> {
        self.leads.program.succeed(line).await
    }

    /// Cuts over and contracts, and looks at the end.
    pub(crate) async fn finish(&self, load: Running) -> Result<()> {
        load.switch_shape(self.leads.common_shape()?).await;
        self.succeed(CUTOVER).await?;
        load.switch_shape(self.leads.new_shape()?).await;
        self.succeed(CONTRACT).await?;
        load.every_kind_again(1).await?;
        let report = load.stop().await;
        Leads::expect_no_failure(&report)?;
        self.leads.expect_contracted().await?;
        self.expect_nothing_on_servers().await
    }

    /// Fails if an application would find something of ours on a server connection.
    pub(crate) async fn expect_nothing_on_servers(&self) -> Result<()> {
        let database = &self.leads.scene.database;
        let left = self
            .pooler
            .left_on_servers(database, Role::Migrator)
            .await?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("left on the server connections: {left:#?}").into())
        }
    }
}
