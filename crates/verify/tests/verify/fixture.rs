//! A source, a target, dual-write between them, and a migration whose state they are in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossfade_dual_write::{Direction, MirrorConstraints, MirrorValues, NewRow, Refusals, chunk};
use crossfade_plan::execution::{EXECUTION_PLAN_FORMAT, ExecutionPlan};
use crossfade_plan::file::PlanFile;
use crossfade_plan::fingerprint::{CatalogParts, Fingerprint};
use crossfade_plan::mapping::{
    Image, KeyColumn, Mapping, Operator, Rewrite, SessionDependence, Totality, Value, Volatility,
};
use crossfade_plan::objects::Objects;
use crossfade_plan::{Ident, MigrationName, Progress, QualifiedName};
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, Pool, RetryPolicy,
    TransactionSettings,
};
use crossfade_state::{
    Acquired, Actor, Direction as Side, Mismatch, MismatchKind, NewMigration, Process, RelationOid,
    Store,
};
use crossfade_testkit::{Result, Role, Session, TestDatabase};
use crossfade_verify::{Compared, Job, Pace, Permission, Report, Settings};
use tokio_util::sync::CancellationToken;

/// Lets so many chunks pass, and counts what they read.
#[derive(Debug)]
pub(crate) struct Allow {
    left: AtomicU64,
    pub(crate) chunks: AtomicU64,
    pub(crate) source_rows: AtomicU64,
}

impl Allow {
    pub(crate) fn chunks(count: u64) -> Self {
        Self {
            left: AtomicU64::new(count),
            chunks: AtomicU64::new(0),
            source_rows: AtomicU64::new(0),
        }
    }
}

impl Pace for Allow {
    async fn ready(&self) -> Permission {
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if left.is_ok() {
            Permission::Go
        } else {
            Permission::Stop
        }
    }

    fn compared(&self, chunk: &Compared) {
        self.chunks.fetch_add(1, Ordering::Relaxed);
        self.source_rows
            .fetch_add(chunk.source_rows, Ordering::Relaxed);
    }
}

pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) admin: Session,
    pub(crate) job: Job<Allow>,
    pub(crate) actor: Actor,
}

pub(crate) fn ident(name: &str) -> Ident {
    Ident::new(name).expect("a name")
}

pub(crate) fn public(name: &str) -> QualifiedName {
    QualifiedName::new(ident("public"), ident(name))
}

/// A key column, retyped from `source_type` to `target_type`, with the equality of `schema`.
pub(crate) fn key_in(schema: &str, name: &str, source_type: &str, target_type: &str) -> KeyColumn {
    let equality = || Operator {
        schema: ident(schema),
        symbol: "=".to_owned(),
    };
    KeyColumn {
        source: ident(name),
        target: ident(name),
        source_equality: equality(),
        target_equality: equality(),
        source_type: source_type.to_owned(),
        target_type: target_type.to_owned(),
    }
}

pub(crate) fn key(name: &str, sql_type: &str) -> KeyColumn {
    key_in("pg_catalog", name, sql_type, sql_type)
}

/// A column that is copied as it is.
pub(crate) fn copy(name: &str, sql_type: &str) -> Image {
    Image {
        column: ident(name),
        sql_type: sql_type.to_owned(),
        base_type: QualifiedName::new(ident("pg_catalog"), ident("text")),
        value: Value::Column(ident(name)),
        reads: vec![ident(name)],
        totality: Totality::Total,
        volatility: Volatility::Stable,
        session: SessionDependence::Free,
        rewrite: Rewrite::Always,
    }
}

/// A column that is cast to a built-in type.
pub(crate) fn cast(name: &str, sql_type: &str, base: &str) -> Image {
    Image {
        base_type: QualifiedName::new(ident("pg_catalog"), ident(base)),
        value: Value::Cast(ident(name)),
        ..copy(name, sql_type)
    }
}

/// A column that an expression makes.
pub(crate) fn computed(name: &str, sql_type: &str, expression: &str) -> Image {
    Image {
        value: Value::Expression(expression.to_owned()),
        ..copy(name, sql_type)
    }
}

pub(crate) fn mapping(key: Vec<KeyColumn>, forward: Vec<Image>) -> Mapping {
    Mapping {
        source: public("source"),
        target: public("source__new"),
        key,
        deferrable_key: false,
        forward,
        reverse: Vec::new(),
    }
}

/// `id` bigint and `v` of a type, the same on both sides.
pub(crate) fn id_and(sql_type: &str) -> (String, Mapping) {
    let columns = format!("(id bigint primary key, v {sql_type})");
    (
        format!("create table public.source {columns}; create table public.source__new {columns}"),
        mapping(
            vec![key("id", "bigint")],
            vec![copy("id", "bigint"), copy("v", sql_type)],
        ),
    )
}

/// Small chunks, so that few rows make several intervals.
pub(crate) fn settings() -> Settings {
    Settings {
        workers: 2,
        chunk_time: Duration::from_secs(5),
        chunk_rows: 10,
        lock_timeout: Duration::from_secs(20),
        retry: RetryPolicy {
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(50),
            give_up_after: Duration::from_mins(1),
        },
        ..Settings::default()
    }
}

impl Fixture {
    /// Runs `ddl`, installs dual-write, copies nothing yet. The migration has been backfilled as
    /// far as the state knows.
    pub(crate) async fn start(ddl: &str, mapping: Mapping) -> Result<Self> {
        let database = TestDatabase::create().await?;
        let admin = database.session("admin", Role::Superuser).await?;
        admin.run(ddl).await?;
        let (owner, app) = (ident(database.owner()), ident(database.app()));
        admin
            .run(&format!(
                "grant create on database {} to {}; \
                 alter table public.source owner to {owner}; alter table public.source__new owner to {owner}; \
                 grant select, insert, update, delete, truncate on public.source to {app}",
                ident(database.name()),
                ident(database.migrator()),
            ))
            .await?;
        let actor = Actor::new("tester");
        let store = Store::open(connect(&database)?, ident("crossfade")).await?;
        let plan = plan()?;
        let id = store
            .register(NewMigration {
                plan: &plan,
                table_oid: RelationOid(1),
                actor: &actor,
            })
            .await?
            .id();
        let lease = match store
            .acquire(id, &Process::current(), Duration::from_mins(10))
            .await?
        {
            Acquired::Acquired(lease) => lease,
            Acquired::HeldBy(holder) => return Err(format!("held by {}", holder.owner).into()),
        };
        let transaction = store
            .begin_fenced(&lease, "test", &TransactionSettings::default())
            .await?;
        for progress in [
            Progress::Expanded,
            Progress::BackfillStarted,
            Progress::BackfillClosed,
        ] {
            store.advance(&transaction, id, progress, &actor).await?;
        }
        transaction.commit().await?;
        let job = Job {
            store,
            lease,
            name: plan.file.name.clone(),
            direction: Side::Forward,
            mapping,
            settings: settings(),
            pace: Allow::chunks(u64::MAX),
            stop: CancellationToken::new(),
        };
        let fixture = Self {
            database,
            admin,
            job,
            actor,
        };
        fixture.install(&plan.objects, &plan.file.name).await?;
        Ok(fixture)
    }

    async fn install(&self, objects: &Objects, name: &MigrationName) -> Result<()> {
        let owner = ident(self.database.owner());
        let refusals = Refusals::RowErrors {
            table: self.job.store.row_error_table(),
            migration: name.clone(),
        };
        let direction = Direction {
            mapping: &self.job.mapping,
            names: &objects.forward,
            owner: &owner,
            refusals: &refusals,
            mirror: MirrorConstraints::NotStricter,
            values: MirrorValues::Made,
            foreign_classes: false,
            new_row: NewRow::Whole,
        };
        for statement in direction
            .create_functions()
            .iter()
            .chain(&direction.create_triggers())
        {
            self.admin.run(statement).await?;
        }
        Ok(())
    }

    /// Puts rows into the source, mirrored by the triggers.
    pub(crate) async fn load(&self, select: &str) -> Result<()> {
        self.admin
            .run(&format!("insert into public.source {select}"))
            .await?;
        Ok(())
    }

    /// Puts rows into the source past the triggers, and copies them with a chunk statement.
    pub(crate) async fn load_and_copy(&self, select: &str) -> Result<()> {
        self.admin
            .run(&format!(
                "alter table public.source disable trigger user; insert into public.source {select}; \
                 alter table public.source enable trigger user"
            ))
            .await?;
        let sql = chunk::chunk_statement(&self.job.mapping, chunk::Existing::LeftOut)
            .replace("$1::text", "'(0,0)'")
            .replace("$2::text", "'(4000000,0)'");
        self.admin.run(&sql).await?;
        self.admin
            .run("analyze public.source; analyze public.source__new")
            .await?;
        Ok(())
    }

    /// Changes the target behind the triggers' back.
    pub(crate) async fn damage(&self, sql: &str) -> Result<()> {
        self.admin.run(sql).await?;
        Ok(())
    }

    /// A full verification from the start.
    pub(crate) async fn full(&self) -> Result<Report> {
        Ok(self.job.full(true, &[], "public").await?)
    }

    /// What a verification recorded, in the order of the keys.
    pub(crate) async fn mismatches(&self, report: &Report) -> Result<Vec<Mismatch>> {
        let session = self.job.store.session("test").await?;
        let mut found = self
            .job
            .store
            .mismatches(&session, report.verification, 1_000_000)
            .await?;
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Records the verdict, as the engine does.
    pub(crate) async fn finish(&self, report: &Report) -> Result<()> {
        let store = &self.job.store;
        let transaction = store
            .begin_fenced(&self.job.lease, "test", &TransactionSettings::default())
            .await?;
        store
            .finish_verification(
                &transaction,
                self.job.lease.migration(),
                report.verification,
                &report.result(),
            )
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

pub(crate) fn mismatch(kind: MismatchKind, key: &[&str], columns: &[&str]) -> Mismatch {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Mismatch {
        kind,
        key: owned(key),
        columns: owned(columns),
    }
}

/// The database as the migrator sees it.
fn connect(database: &TestDatabase) -> Result<Database> {
    let given = ConnectionString {
        text: database.url(Role::Migrator).into(),
        origin: "the test",
    };
    let nothing = Environment::new(|_| None, None, None);
    let settings = ConnectionSettings::resolve(Some(&given), &nothing)?;
    let connector = Connector::new(settings, None)?;
    let pool = Pool::new(connector.clone(), "test/verify", 8, Duration::from_secs(30));
    Ok(Database::new(connector.clone(), connector, pool))
}

fn plan() -> Result<ExecutionPlan> {
    let file = PlanFile::parse(
        "name: race\ntable: public.source\noperations:\n  - drop_column: { column: a }\n",
    )
    .map_err(|errors| format!("{errors:?}"))?
    .plan;
    let objects = Objects::derive(&file.name, &public("source"))?;
    let catalog = CatalogParts::new();
    Ok(ExecutionPlan {
        format: EXECUTION_PLAN_FORMAT,
        fingerprint: Fingerprint::of(1, &file.canonical_json(), &catalog),
        strategy_reason: "it is asked for".to_owned(),
        mapping: mapping(Vec::new(), Vec::new()),
        objects,
        catalog,
        hazards: Vec::new(),
        steps: Vec::new(),
        file,
    })
}

/// Waits until a backend waits for one that `holder` has locked.
pub(crate) async fn wait_until_some_wait_for(observer: &Session, holder: i32) -> Result<()> {
    let waiter = waiter(holder);
    observer
        .wait_until(&format!("select exists ({waiter})"))
        .await
}

/// Waits until no backend waits for `holder`.
pub(crate) async fn wait_until_none_waits_for(observer: &Session, holder: i32) -> Result<()> {
    let waiter = waiter(holder);
    observer
        .wait_until(&format!("select not exists ({waiter})"))
        .await
}

/// The query for the backends that wait for `holder`.
pub(crate) fn waiter(holder: i32) -> String {
    format!(
        "select pid from pg_catalog.pg_stat_activity \
          where {holder} = any (pg_catalog.pg_blocking_pids(pid))"
    )
}
