//! A table, its target, dual-write between them as the planner makes it, and jobs that copy.

use std::time::Duration;

use crossfade_backfill::{BackfillError, Ending, Job};
use crossfade_plan::event::{Event, EventSink};
use crossfade_plan::execution::{Action, ExecutionPlan};
use crossfade_plan::file::PlanFile;
use crossfade_plan::{Ident, Progress, QualifiedName, Stage};
use crossfade_planner::{PlannerSettings, collect_facts, plan};
use crossfade_postgres::catalog::Catalog;
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, Pool, Queries,
    TransactionSettings,
};
use crossfade_state::{
    Acquired, Actor, Lease, MigrationId, NewMigration, Process, RelationOid, RowError, Store,
};
use crossfade_testkit::{Comparison, Result, Role, Session, TestDatabase};
use crossfade_throttle::Throttle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Rows 1 to 4, each in a block of its own: block 0 has row 1, and so on.
pub(crate) const WIDE: &str = "create table public.t (id int primary key, n int, pad text); \
     alter table public.t alter column pad set storage plain; \
     insert into public.t select i, i, repeat('x', 5000) from generate_series(1, 4) i";

/// Rows 1 to 4 in one block.
pub(crate) const SMALL: &str = "create table public.t (id int primary key, n int, pad text); \
     insert into public.t select i, i, 'x' from generate_series(1, 4) i";

/// One worker, a block a chunk: the same table with one more column.
pub(crate) const ROW_BY_ROW: &str = "operations:\n  - add_column: { name: extra, type: text }\n\
     backfill: { workers: 1, batch_size: 1 }\n";

/// The columns of [`WIDE`] and [`SMALL`].
const COLUMNS: [(&str, &str); 3] = [("id", "id"), ("n", "n"), ("pad", "pad")];

/// Long enough for what does pass, short enough for a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    /// A superuser, for looking and for preparing.
    pub(crate) admin: Session,
    pub(crate) plan: ExecutionPlan,
    pub(crate) store: Store,
    pub(crate) migration: MigrationId,
    pub(crate) lease: Lease,
    source: RelationOid,
    events: watch::Sender<Vec<Event>>,
}

/// A job that runs.
pub(crate) type Running = JoinHandle<std::result::Result<Ending, BackfillError>>;

/// The end of a job that left nothing out.
pub(crate) const ALL: Ending = Ending::Copied { row_errors: 0 };

impl Fixture {
    /// Runs `schema` as the owner of the tables (whose name is put in for OWNER), plans `operations` on `public.t`, and installs
    /// the target and dual-write. The rows of `schema` are older than dual-write.
    pub(crate) async fn start(schema: &str, operations: &str) -> Result<Self> {
        let database = TestDatabase::create().await?;
        let admin = database.session("admin", Role::Superuser).await?;
        let (owner, app) = (Ident::new(database.owner())?, Ident::new(database.app())?);
        let migrator = Ident::new(database.migrator())?;
        // Statistics: a table that was never analysed is taken for one of many rows a block.
        admin
            .run(&format!(
                "grant create on database {} to {migrator}; grant create on schema public to {migrator}; \
                 set role {owner}; {schema}; reset role; analyze; \
                 grant select, insert, update, delete, truncate on public.t to {app}",
                Ident::new(database.name())?,
                schema = schema.replace("OWNER", database.owner()),
            ))
            .await?;
        let store = Store::open(connect(&database.url(Role::Migrator))?, state()?).await?;
        let file = PlanFile::parse(&format!("name: race\ntable: public.t\n{operations}"))?.plan;
        let (plan, source) = planned(&store, &file).await?;
        install(&database, &plan).await?;
        let actor = Actor::new("tests");
        let new = NewMigration {
            plan: &plan,
            table_oid: source,
            actor: &actor,
        };
        let migration = store.register(new).await?.id();
        let lease = acquire(&store, migration).await?;
        let transaction = store
            .begin_fenced(&lease, "test", &TransactionSettings::default())
            .await?;
        for progress in [Progress::Expanded, Progress::BackfillStarted] {
            store
                .advance(&transaction, migration, progress, &actor)
                .await?;
        }
        transaction.commit().await?;
        Ok(Self {
            database,
            admin,
            plan,
            store,
            migration,
            lease,
            source,
            events: watch::Sender::default(),
        })
    }

    /// The target, as SQL writes its name.
    pub(crate) fn target(&self) -> String {
        self.plan.mapping.target.to_string()
    }

    /// A connection of the application.
    pub(crate) async fn app(&self, name: &str) -> Result<Session> {
        self.database.session(name, Role::App).await
    }

    /// A job on connections of its own.
    pub(crate) async fn job(&self) -> Result<Job> {
        self.job_over(&self.database.url(Role::Migrator)).await
    }

    /// A job that connects by `url`.
    pub(crate) async fn job_over(&self, url: &str) -> Result<Job> {
        let store = Store::open(connect(url)?, state()?).await?;
        let told = self.events.clone();
        let events = EventSink::new(move |event| told.send_modify(|events| events.push(event)));
        let stop = CancellationToken::new();
        let file = &self.plan.file;
        let throttle = Throttle::start(
            self.store.clone(),
            self.migration,
            file,
            events.clone(),
            &stop,
        )
        .await;
        Ok(Job {
            store,
            lease: self.lease.clone(),
            migration: self.migration,
            name: file.name.clone(),
            mapping: self.plan.mapping.clone(),
            source: self.source,
            settings: file.backfill.clone(),
            throttle,
            stop,
            events,
            patience: PATIENCE,
        })
    }

    /// Starts a job.
    pub(crate) async fn run(&self) -> Result<Running> {
        Ok(spawn(self.job().await?))
    }

    /// Runs a job to its end, and fails unless it copied everything.
    pub(crate) async fn copy_all(&self) -> Result<()> {
        assert_eq!(self.run().await?.await??, ALL);
        Ok(())
    }

    /// What the jobs have told so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// Waits until a job has told such an event, or fails when the job ends before.
    pub(crate) async fn wait_until_told(
        &self,
        is_it: impl Fn(&Event) -> bool,
        job: &mut Running,
    ) -> Result<()> {
        let mut events = self.events.subscribe();
        tokio::select! {
            told = events.wait_for(|events| events.iter().any(&is_it)) => drop(told?),
            ended = job => return Err(format!("the job ended before: {:?}", ended?).into()),
        }
        Ok(())
    }

    /// A number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.admin.query_one_value(sql).await?)
    }

    /// Rows that the target has.
    pub(crate) async fn copied(&self) -> Result<i64> {
        self.number(&format!("select count(*) from {}", self.target()))
            .await
    }

    /// Rows that chunks say they copied, over all ranges.
    pub(crate) async fn rows_counted(&self) -> Result<i64> {
        self.number("select coalesce(sum(rows_copied), 0)::int8 from crossfade.task_range")
            .await
    }

    /// Waits until the target has so many rows, or fails when the job ends before.
    pub(crate) async fn wait_until_copied(&self, rows: i64, job: &mut Running) -> Result<()> {
        let sql = format!("select count(*) = {rows} from {}", self.target());
        tokio::select! {
            reached = self.admin.wait_until(&sql) => reached,
            ended = job => Err(format!("the job ended before: {:?}", ended?).into()),
        }
    }

    /// Fails unless the target is the image of the source, which must have `rows` rows.
    pub(crate) async fn assert_copied(&self, rows: i64) -> Result<()> {
        if rows == 0 {
            assert_eq!(self.number("select count(*) from public.t").await?, 0);
            assert_eq!(self.copied().await?, 0, "ghosts");
            return Ok(());
        }
        let comparison = Comparison {
            control: "public.t",
            result: &self.target(),
            key: &COLUMNS[..1],
            columns: &COLUMNS[1..],
        };
        assert_eq!(comparison.run(&self.admin).await?, rows);
        Ok(())
    }

    /// The recorded row errors, by key.
    pub(crate) async fn row_errors(&self) -> Result<Vec<RowError>> {
        let session = self.store.session("test").await?;
        let name = &self.plan.file.name;
        let forward = crossfade_state::Direction::Forward;
        let mut found = self.store.row_errors(&session, name, forward, 100).await?;
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }
}

/// Runs a job as a task.
pub(crate) fn spawn(job: Job) -> Running {
    tokio::spawn(async move { Box::pin(job.run()).await })
}

/// Asks for the lease, which must be free or expired.
pub(crate) async fn acquire(store: &Store, id: MigrationId) -> Result<Lease> {
    let long = Duration::from_mins(10);
    match store.acquire(id, &Process::current(), long).await? {
        Acquired::Acquired(lease) => Ok(lease),
        Acquired::HeldBy(holder) => Err(format!("held by {}", holder.owner).into()),
    }
}

pub(crate) fn connect(url: &str) -> Result<Database> {
    let given = ConnectionString {
        text: url.into(),
        origin: "the test",
    };
    let nothing = Environment::new(|_| None, None, None);
    let settings = ConnectionSettings::resolve(Some(&given), &nothing)?;
    let connector = Connector::new(settings, None)?;
    let pool = Pool::new(connector.clone(), "tests", 8, Duration::from_secs(30));
    Ok(Database::new(connector.clone(), connector, pool))
}

fn state() -> Result<Ident> {
    Ok(Ident::new("crossfade")?)
}

async fn planned(store: &Store, file: &PlanFile) -> Result<(ExecutionPlan, RelationOid)> {
    let transaction = store
        .database()
        .begin("test", &TransactionSettings::default())
        .await?;
    let catalog = Catalog::load(&transaction, &file.table).await?;
    let catalog = catalog.ok_or("no such table")?;
    let version = catalog.server_version_num;
    let facts = collect_facts(&transaction, file, &catalog.table, version).await?;
    let table: &QualifiedName = &file.table;
    let row = transaction
        .query_opt(&format!("select '{table}'::regclass::oid"), &[])
        .await?;
    let oid: u32 = row.ok_or("no row")?.try_get(0)?;
    transaction.rollback().await?;
    let settings = PlannerSettings {
        state_schema: state()?,
    };
    let plan = plan(file, &catalog.table, &facts, &settings).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        all.join("\n")
    })?;
    Ok((plan, RelationOid(oid)))
}

/// Carries out the steps of the expand, as the role that migrates.
async fn install(database: &TestDatabase, plan: &ExecutionPlan) -> Result<()> {
    let migrator = database.session("migrator", Role::Migrator).await?;
    for step in plan.steps_to(Stage::Expanded) {
        assert_eq!(step.action, Action::Transaction, "step {}", step.id);
        let statements = step.statements.join("; ");
        migrator
            .run(&format!(
                "begin; set local search_path = pg_catalog, pg_temp; {statements}; commit"
            ))
            .await?;
    }
    Ok(())
}
