//! A registered migration with a throttle on it, and what it has told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossfade_plan::event::{Event, EventSink};
use crossfade_plan::execution::{EXECUTION_PLAN_FORMAT, ExecutionPlan};
use crossfade_plan::file::PlanFile;
use crossfade_plan::fingerprint::{CatalogParts, Fingerprint};
use crossfade_plan::mapping::Mapping;
use crossfade_plan::objects::Objects;
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, Pool,
};
use crossfade_sandbox::cluster::Cluster;
use crossfade_state::{Actor, MigrationId, NewMigration, RelationOid, Store};
use crossfade_testkit::{Result, Role, Session, TestDatabase};
use crossfade_throttle::{Reason, Throttle, Verdict, Wait};
use tokio_util::sync::CancellationToken;

/// How long a state is waited for before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    /// A superuser's session.
    pub(crate) observer: Session,
    pub(crate) store: Store,
    pub(crate) id: MigrationId,
    pub(crate) actor: Actor,
    file: PlanFile,
    told: Arc<Mutex<Vec<Event>>>,
}

impl Fixture {
    /// On the server that all tests share.
    pub(crate) async fn new(plan: &str) -> Result<Self> {
        Self::on(TestDatabase::create().await?, plan).await
    }

    /// On a cluster of the test's own, with the right to see replicas.
    pub(crate) async fn new_in(cluster: &Cluster, plan: &str) -> Result<Self> {
        let fixture = Self::on(TestDatabase::create_in(cluster).await?, plan).await?;
        let role = fixture.database.migrator();
        fixture
            .observer
            .run(&format!("grant pg_read_all_stats to {role}"))
            .await?;
        Ok(fixture)
    }

    async fn on(database: TestDatabase, plan: &str) -> Result<Self> {
        let observer = database.session("observer", Role::Superuser).await?;
        let (name, role) = (database.name(), database.migrator());
        observer
            .run(&format!("grant create on database {name} to {role}"))
            .await?;
        let store = Store::open(connect(&database)?, Ident::new("crossfade")?).await?;
        let actor = Actor::new("tester");
        let plan = execution_plan(plan)?;
        let new = NewMigration {
            plan: &plan,
            table_oid: RelationOid(17),
            actor: &actor,
        };
        let id = store.register(new).await?.id();
        let (file, told) = (plan.file, Arc::default());
        Ok(Self {
            database,
            observer,
            store,
            id,
            actor,
            file,
            told,
        })
    }

    /// Starts a throttle.
    pub(crate) async fn throttle(&self) -> Throttle {
        self.throttle_until(&CancellationToken::new()).await
    }

    /// Starts a throttle whose collectors end with `stop`.
    pub(crate) async fn throttle_until(&self, stop: &CancellationToken) -> Throttle {
        let told = Arc::clone(&self.told);
        let events = EventSink::new(move |event| told.lock().expect("not poisoned").push(event));
        Throttle::start(self.store.clone(), self.id, &self.file, events, stop).await
    }

    /// What the throttles have told.
    pub(crate) fn told(&self) -> Vec<Event> {
        self.told.lock().expect("not poisoned").clone()
    }
}

/// The database as the migrator sees it.
pub(crate) fn connect(database: &TestDatabase) -> Result<Database> {
    let given = ConnectionString {
        text: database.url(Role::Migrator).into(),
        origin: "the test",
    };
    let settings =
        ConnectionSettings::resolve(Some(&given), &Environment::new(|_| None, None, None))?;
    let connector = Connector::new(settings, None)?;
    let pool = Pool::new(
        connector.clone(),
        "test/throttle",
        4,
        Duration::from_secs(30),
    );
    Ok(Database::new(connector.clone(), connector, pool))
}

/// A plan of which nothing but its file is looked at; `settings` are further lines of the file.
fn execution_plan(settings: &str) -> Result<ExecutionPlan> {
    let text = format!(
        "name: orders\ntable: orders\noperations:\n  - drop_column: {{ column: a }}\n{settings}\n"
    );
    let file = PlanFile::parse(&text)
        .map_err(|errors| format!("{errors:?}"))?
        .plan;
    let source = QualifiedName::parse(&file.table.to_string())?;
    let objects = Objects::derive(&file.name, &source)?;
    let catalog = CatalogParts::new();
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
        steps: Vec::new(),
        file,
    })
}

/// Waits until the verdict is to wait for `reason`, and returns it.
pub(crate) async fn wait_for(throttle: &Throttle, reason: Reason) -> Result<Wait> {
    let begun = Instant::now();
    loop {
        match throttle.verdict() {
            Verdict::Wait(wait) if wait.reason == reason => return Ok(wait),
            other if begun.elapsed() > PATIENCE => {
                return Err(format!("no {reason:?} but {other:?}").into());
            }
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Waits until the verdict is to go.
pub(crate) async fn wait_for_go(throttle: &Throttle) -> Result<()> {
    until(&format!("go: {throttle:?}"), || {
        throttle.verdict() == Verdict::Go
    })
    .await
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("not seen: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The reasons for which time was counted.
pub(crate) fn reasons(waited: &BTreeMap<Reason, Duration>) -> Vec<Reason> {
    waited
        .iter()
        .filter(|(_, time)| !time.is_zero())
        .map(|(reason, _)| *reason)
        .collect()
}
