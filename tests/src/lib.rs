//! What the end-to-end tests share: a database with an application's table, a live workload on
//! it, and the engine as a role that has only what it needs.

pub mod crash;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossfade_engine::{Comparison, Engine, Limits, VerifyEnd, VerifyRequest};
use crossfade_plan::event::{Event, EventSink};
use crossfade_plan::file::PlanFile;
use crossfade_plan::{Ident, MigrationName, QualifiedName, Stage};
use crossfade_postgres::catalog::Table;
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, Mode, Pool,
    TransactionSettings,
};
use crossfade_sandbox::workload::{AppTable, Running, Workload, WorkloadReport, WorkloadSpec};
use crossfade_state::{Process, Store, Verdict};
use crossfade_testkit::{Result, Role, Session, TestDatabase};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

/// A wider key, a split name and a computed column of the workload's `leads` table.
pub const LEADS_PLAN: &str = r#"
name: leads_wider
table: public.leads
operations:
  - change_type: { column: id, type: bigint }
  - split_column:
      column: name
      into:
        - { name: first_name, type: text, up: "split_part(name, ' ', 1)" }
        - { name: last_name, type: text, up: "substr(name, strpos(name, ' ') + 1)" }
      down: "first_name || ' ' || last_name"
  - add_column: { name: score_band, type: integer, up: "score / 10" }
backfill: { workers: 2, batch_size: 500 }
"#;

/// A database with an application's table and its control table.
#[derive(Debug)]
pub struct Scene {
    /// The database with its roles.
    pub database: TestDatabase,
    /// A superuser, for looking.
    pub admin: Session,
    /// The events of all engines of this scene, in order.
    pub events: Arc<Mutex<Vec<Event>>>,
    /// Cancelled to ask the engines to leave.
    pub stop: CancellationToken,
}

impl Scene {
    /// Creates a database in which the migrator may create its state schema and nothing else.
    pub async fn empty() -> Result<Self> {
        Self::on(TestDatabase::create().await?).await
    }

    /// The same in a given database.
    pub async fn on(database: TestDatabase) -> Result<Self> {
        let admin = database.session("admin", Role::Superuser).await?;
        let migrator = Ident::new(database.migrator())?;
        let (name, owner) = (Ident::new(database.name())?, Ident::new(database.owner())?);
        admin
            .run(&format!(
                "grant create on database {name} to {migrator}; \
                 grant create on schema public to {migrator}, {owner}"
            ))
            .await?;
        let events = Arc::default();
        Ok(Self {
            database,
            admin,
            events,
            stop: CancellationToken::new(),
        })
    }

    /// The same, with a table of the workload's and so many rows in it.
    pub async fn with_table(table: &AppTable, rows: u32) -> Result<Self> {
        let scene = Self::empty().await?;
        scene.fill(table, rows).await?;
        Ok(scene)
    }

    /// Makes a table of the workload's with so many rows.
    pub async fn fill(&self, table: &AppTable, rows: u32) -> Result<()> {
        self.admin.run(&table.create_sql()).await?;
        self.give_to_owner(table.name()).await?;
        let app = Ident::new(self.database.app())?;
        self.admin.run(&table.grant_sql(&app)).await?;
        table.load(self.admin.client(), rows, 7).await?;
        self.admin.run("analyze").await?;
        Ok(())
    }

    /// Makes the application's table the owner's, as it would be; the control table stays ours.
    pub async fn give_to_owner(&self, table: &QualifiedName) -> Result<()> {
        let owner = Ident::new(self.database.owner())?;
        self.admin
            .run(&format!("alter table {table} owner to {owner}"))
            .await?;
        Ok(())
    }

    /// Starts a live workload as the application.
    pub async fn workload(&self, table: &AppTable, rows: u32) -> Result<Running> {
        Ok(Workload::start(self.spec(table, rows)).await?)
    }

    /// Starts another one on the same table; its new keys go on where the first one's ended.
    pub async fn workload_after(
        &self,
        table: &AppTable,
        rows: u32,
        earlier: &WorkloadReport,
    ) -> Result<Running> {
        let mut spec = self.spec(table, rows);
        spec.first_key = earlier.next_key;
        Ok(Workload::start(spec).await?)
    }

    /// What the engines have told so far.
    pub fn events(&self) -> Vec<Event> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn spec(&self, table: &AppTable, rows: u32) -> WorkloadSpec {
        let mut spec = WorkloadSpec::new(self.database.url(Role::App), table.clone(), rows);
        // With eight connections, transactions of half a second leave no moment at which none is
        // open, and a lock that gives way to all of them is never granted.
        spec.hold = Duration::from_millis(20)..=Duration::from_millis(120);
        spec
    }

    /// The stage that a migration is in.
    pub async fn stage(&self, name: &MigrationName) -> Result<Stage> {
        let store = Store::open_existing(self.migrator()?, Ident::new("crossfade")?).await?;
        let store = store.ok_or("there is no state schema")?;
        let session = store.session("test/stage").await?;
        let record = store
            .find(&session, name)
            .await?
            .ok_or("there is no such migration")?;
        Ok(record.stage)
    }

    /// An engine that works as the migrator.
    pub async fn engine(&self) -> Result<Engine> {
        self.engine_with(Limits {
            lease_ttl: Duration::from_secs(2),
            max_wait: Duration::from_mins(1),
            free_disk_bytes: Some(u64::MAX),
            ..Limits::default()
        })
        .await
    }

    /// The same, with limits of its own.
    pub async fn engine_with(&self, limits: Limits) -> Result<Engine> {
        let store = Store::open(self.migrator()?, Ident::new("crossfade")?).await?;
        let events = Arc::clone(&self.events);
        let sink = EventSink::new(move |event| {
            events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(event);
        });
        Ok(Engine::new(
            store,
            limits,
            Process::current(),
            sink,
            self.stop.clone(),
        ))
    }

    /// The database as the migrator sees it.
    pub fn migrator(&self) -> Result<Database> {
        let text = SecretString::from(self.database.url(Role::Migrator));
        let string = ConnectionString {
            text,
            origin: "the test",
        };
        let settings = ConnectionSettings::resolve(Some(&string), &Environment::from_process())?;
        let connector = Connector::new(settings, None)?;
        let pool = Pool::new(
            connector.clone(),
            "test/migrator",
            12,
            Duration::from_secs(30),
        );
        Ok(Database::new(connector.clone(), connector, pool))
    }

    /// What the catalogs know of a table; `None` where there is no such table.
    pub async fn table(&self, name: &QualifiedName) -> Result<Option<Table>> {
        let snapshot = TransactionSettings {
            mode: Mode::Snapshot,
            // A TRUNCATE may hold the table for a while.
            lock_timeout: Duration::from_secs(30),
            ..TransactionSettings::default()
        };
        let transaction = self.migrator()?.begin("test/catalog", &snapshot).await?;
        let table = Table::load(&transaction, name).await?;
        transaction.rollback().await?;
        Ok(table)
    }

    /// Everything with our name that stands outside the state schema.
    pub async fn left_behind(&self) -> Result<Vec<String>> {
        crossfade_testkit::catalog_diff::everything_of_ours(&self.admin, &["crossfade"]).await
    }
}

/// Whether a full verification finds both sides equal.
pub async fn is_exact(engine: &Engine, name: &MigrationName) -> Result<bool> {
    let request = VerifyRequest {
        comparison: Comparison::Full,
        seed: 3,
    };
    match engine.verify(name, request).await? {
        VerifyEnd::Done { report, .. } => Ok(report.verdict == Verdict::Exact),
        _ => Ok(false),
    }
}

/// Reads a plan file; the text must be right.
pub fn plan_file(text: &str) -> Result<PlanFile> {
    Ok(PlanFile::parse(text)?.plan)
}
