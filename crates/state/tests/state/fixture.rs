//! A database with a state in it, and what the tests put there.

use std::time::Duration;

use crossfade_plan::execution::{
    Action, Blocking, EXECUTION_PLAN_FORMAT, ExecutionPlan, Step, StepId,
};
use crossfade_plan::file::PlanFile;
use crossfade_plan::fingerprint::{CatalogParts, Fingerprint};
use crossfade_plan::mapping::Mapping;
use crossfade_plan::objects::Objects;
use crossfade_plan::{Ident, QualifiedName, Stage};
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Contention, Database, Environment, Pool,
    Queries, Transaction, TransactionSettings,
};
use crossfade_state::{
    Acquired, Actor, Lease, MigrationId, NewMigration, Process, RelationOid, Store,
};
use crossfade_testkit::{Result, Role, Session, TestDatabase};

/// Long enough never to end during a test.
pub(crate) const LONG: Duration = Duration::from_mins(10);

/// Statements of a test wait as long as they must.
pub(crate) fn patient() -> TransactionSettings {
    TransactionSettings {
        lock_timeout: Duration::from_mins(1),
        contention: Contention::Runners,
        statement_timeout: None,
        idle_timeout: Duration::from_mins(1),
        ..Default::default()
    }
}

pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    /// A superuser's session that looks on.
    pub(crate) observer: Session,
    pub(crate) actor: Actor,
}

impl Fixture {
    /// An empty database in which the migrator may create schemas.
    pub(crate) async fn new() -> Result<Self> {
        let database = TestDatabase::create().await?;
        let observer = database.session("observer", Role::Superuser).await?;
        let grant = format!(
            "grant create on database {} to {}",
            database.name(),
            database.migrator()
        );
        observer.run(&grant).await?;
        Ok(Self {
            database,
            observer,
            actor: Actor::new("tester"),
        })
    }

    /// The database as the migrator sees it, with a pool of its own: one for each runner.
    pub(crate) fn connect(&self) -> Result<Database> {
        let given = ConnectionString {
            text: self.database.url(Role::Migrator).into(),
            origin: "the test",
        };
        let nothing = Environment::new(|_| None, None, None);
        let settings = ConnectionSettings::resolve(Some(&given), &nothing)?;
        let connector = Connector::new(settings, None)?;
        let pool = Pool::new(connector.clone(), "test/state", 8, Duration::from_secs(30));
        Ok(Database::new(connector.clone(), connector, pool))
    }

    /// Opens the state in the default schema.
    pub(crate) async fn store(&self) -> Result<Store> {
        Ok(Store::open(self.connect()?, default_schema()).await?)
    }

    /// Registers a migration `name` of the table `public.<name>`.
    pub(crate) async fn register(&self, store: &Store, name: &str) -> Result<MigrationId> {
        let plan = plan(name, name)?;
        Ok(store.register(self.new_migration(&plan, name)).await?.id())
    }

    /// `plan`, on a table whose oid is made up of `table`.
    pub(crate) fn new_migration<'a>(
        &'a self,
        plan: &'a ExecutionPlan,
        table: &str,
    ) -> NewMigration<'a> {
        let oid = table
            .bytes()
            .fold(17, |oid: u32, byte| oid.wrapping_mul(31) + u32::from(byte));
        NewMigration {
            plan,
            table_oid: RelationOid(oid),
            actor: &self.actor,
        }
    }
}

pub(crate) fn default_schema() -> Ident {
    Ident::new("crossfade").expect("a name")
}

/// A plan for `public.<table>`. The state looks at few of its parts.
pub(crate) fn plan(name: &str, table: &str) -> Result<ExecutionPlan> {
    let text =
        format!("name: {name}\ntable: {table}\noperations:\n  - drop_column: {{ column: a }}\n");
    plan_of(&text)
}

pub(crate) fn plan_of(text: &str) -> Result<ExecutionPlan> {
    let file = PlanFile::parse(text)
        .map_err(|errors| format!("{errors:?}"))?
        .plan;
    let source = QualifiedName::parse(&file.table.to_string())?;
    let objects = Objects::derive(&file.name, &source)?;
    let catalog = CatalogParts::new();
    let step = |id: &str, stage, undo: &str| Step {
        id: StepId::new(id),
        stage,
        title: id.to_owned(),
        action: Action::Transaction,
        statements: vec!["select 1".to_owned()],
        locks: Vec::new(),
        blocking: Blocking::None,
        undo: vec![undo.to_owned()],
        undo_after: vec![format!("{undo} again")],
        undo_last: vec![format!("{undo} for good")],
        hazards: Vec::new(),
    };
    Ok(ExecutionPlan {
        format: EXECUTION_PLAN_FORMAT,
        fingerprint: Fingerprint::of(1, &file.canonical_json(), &catalog),
        strategy_reason: "it is asked for".to_owned(),
        mapping: Mapping {
            source,
            target: objects.target.clone(),
            key: Vec::new(),
            deferrable_key: false,
            forward: Vec::new(),
            reverse: Vec::new(),
        },
        objects,
        catalog,
        hazards: Vec::new(),
        steps: vec![
            step("create-target", Stage::Expanded, "drop table t"),
            step("create-triggers", Stage::Expanded, "drop function f()"),
        ],
        file,
    })
}

/// The lease, which must be free.
pub(crate) async fn acquire(store: &Store, id: MigrationId, ttl: Duration) -> Result<Lease> {
    match store.acquire(id, &Process::current(), ttl).await? {
        Acquired::Acquired(lease) => Ok(lease),
        Acquired::HeldBy(holder) => Err(format!("held by {}", holder.owner).into()),
    }
}

/// Makes a lease expire now: the owner fell silent, and its time is up.
pub(crate) async fn expire(fixture: &Fixture, id: MigrationId) -> Result<()> {
    let sql = format!(
        "update crossfade.lease set heartbeat_at = pg_catalog.clock_timestamp() - interval '1 hour',
                expires_at = pg_catalog.clock_timestamp() - interval '1 second'
          where migration_id = {id}"
    );
    Ok(fixture.observer.run(&sql).await?)
}

/// The backend of a transaction.
pub(crate) async fn backend(transaction: &Transaction) -> Result<i32> {
    let row = transaction
        .query_opt("select pg_catalog.pg_backend_pid()", &[])
        .await?;
    Ok(row.ok_or("no row")?.try_get(0)?)
}

/// Waits until a backend waits for a lock that `holder` has, and returns which.
pub(crate) async fn wait_until_blocks(fixture: &Fixture, holder: i32) -> Result<i32> {
    let waiting = format!(
        "from pg_catalog.pg_stat_activity
        where {holder} = any (pg_catalog.pg_blocking_pids(pid))"
    );
    fixture
        .observer
        .wait_until(&format!("select exists (select {waiting})"))
        .await?;
    Ok(fixture
        .observer
        .query_one_value(&format!("select pid {waiting}"))
        .await?)
}
