//! A database with a table in it, and a runner without a mind of its own: it carries out the steps
//! as they stand, as the role that migrates.

use std::time::Duration;

use crossfade_plan::execution::{Action, ExecutionPlan, Step};
use crossfade_plan::file::PlanFile;
use crossfade_plan::{Ident, QualifiedName, Stage};
use crossfade_planner::{PlanErrors, PlannerSettings, collect_facts, plan};
use crossfade_postgres::catalog::{Catalog, Table};
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, Pool,
    TransactionSettings,
};
use crossfade_testkit::catalog_diff::{diff, everything_of_ours};
use crossfade_testkit::{Result, Role, Session, TestDatabase};
use tokio_postgres::types::Type;

/// What the trigger functions need of the state.
const STATE: &str = "
    create table crossfade.row_error (
        migration text, direction text, key text[], key_hash bigint[] generated always as (
            array[hash_array_extended(key, 0)]) stored,
        sqlstate text, column_name text, constraint_name text,
        last_at timestamptz, times bigint default 1, unique (migration, direction, key_hash));
    create table crossfade.reverse_loss (migration text, key text[], column_name text);";

/// One database.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) observer: Session,
    migrator: Session,
}

impl Fixture {
    /// Runs `schema` as the owner of the tables.
    pub(crate) async fn new(schema: &str) -> Result<Self> {
        let database = TestDatabase::create().await?;
        let observer = database.session("observer", Role::Superuser).await?;
        let (owner, migrator) = (database.owner(), database.migrator());
        observer
            .run(&format!(
                "create schema crossfade authorization {migrator};
                 create schema \"Shop 1\" authorization {owner};
                 set role {migrator}; {STATE}
                 set role {owner}; {}; reset role",
                schema.replace("APP", database.app())
            ))
            .await?;
        let migrator = database.session("migrator", Role::Migrator).await?;
        Ok(Self {
            database,
            observer,
            migrator,
        })
    }

    /// The database as the role that migrates sees it.
    pub(crate) fn connect(&self) -> Result<Database> {
        let given = ConnectionString {
            text: self.database.url(Role::Migrator).into(),
            origin: "the test",
        };
        let nothing = Environment::new(|_| None, None, None);
        let settings = ConnectionSettings::resolve(Some(&given), &nothing)?;
        let connector = Connector::new(settings, None)?;
        let pool = Pool::new(
            connector.clone(),
            "test/planner",
            2,
            Duration::from_secs(30),
        );
        Ok(Database::new(connector.clone(), connector, pool))
    }

    /// The table as it is now.
    pub(crate) async fn table(&self, name: &QualifiedName) -> Result<Table> {
        let transaction = self
            .connect()?
            .begin("test", &TransactionSettings::default())
            .await?;
        let table = Table::load(&transaction, name).await?;
        transaction.rollback().await?;
        Ok(table.ok_or_else(|| format!("there is no {name}"))?)
    }

    /// Plans against the catalog as it is now.
    pub(crate) async fn plan(
        &self,
        file: &PlanFile,
    ) -> Result<std::result::Result<ExecutionPlan, PlanErrors>> {
        let transaction = self
            .connect()?
            .begin("test", &TransactionSettings::default())
            .await?;
        let catalog = Catalog::load(&transaction, &file.table)
            .await?
            .ok_or("no such table")?;
        let facts = collect_facts(
            &transaction,
            file,
            &catalog.table,
            catalog.server_version_num,
        )
        .await?;
        transaction.rollback().await?;
        let settings = PlannerSettings {
            state_schema: Ident::new("crossfade")?,
        };
        let made = plan(file, &catalog.table, &facts, &settings);
        if let Ok(made) = &made {
            let again = plan(file, &catalog.table, &facts, &settings)?;
            assert_eq!(serde_json::to_string(made)?, serde_json::to_string(&again)?);
        }
        Ok(made)
    }

    /// Plans, or fails with all errors.
    pub(crate) async fn sound_plan(&self, text: &str) -> Result<ExecutionPlan> {
        let file = parsed(text)?;
        let made = self.plan(&file).await?;
        made.map_err(|errors| {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            all.join("\n").into()
        })
    }

    /// Carries out every step up to and including `stage`.
    pub(crate) async fn run_to(&self, plan: &ExecutionPlan, stage: Stage) -> Result<()> {
        self.run_between(plan, Stage::Planned, stage).await
    }

    /// Carries out the steps behind `from`, up to and including `to`.
    pub(crate) async fn run_between(
        &self,
        plan: &ExecutionPlan,
        from: Stage,
        to: Stage,
    ) -> Result<()> {
        for step in plan
            .steps
            .iter()
            .filter(|step| step.stage > from && step.stage <= to)
        {
            self.run(step)
                .await
                .map_err(|error| format!("step {}: {error:?}", step.id))?;
        }
        Ok(())
    }

    async fn run(&self, step: &Step) -> Result<()> {
        match step.action {
            Action::Transaction => self.in_transaction(&step.statements).await?,
            Action::Swap => {
                let locks = step.locks.iter().map(|lock| {
                    format!("lock table only {} in {} mode", lock.relation, lock.level)
                });
                let all: Vec<String> = locks.chain(step.statements.iter().cloned()).collect();
                self.in_transaction(&all).await?;
            }
            Action::ConcurrentIndex { .. } => {
                for statement in &step.statements {
                    self.migrator.run(statement).await?;
                }
            }
            Action::Backfill => {
                let (first, last) = ("(0,0)", "(4294967295,0)");
                for statement in &step.statements {
                    let client = self.migrator.client();
                    client
                        .execute_typed(statement, &[(&first, Type::TEXT), (&last, Type::TEXT)])
                        .await?;
                }
            }
            Action::Verify => {}
        }
        Ok(())
    }

    async fn in_transaction<T: AsRef<str>>(&self, statements: &[T]) -> Result<()> {
        self.migrator
            .run("begin; set local search_path = pg_catalog, pg_temp")
            .await?;
        for statement in statements {
            if let Err(error) = self.migrator.run(statement.as_ref()).await {
                self.migrator.run("rollback").await?;
                return Err(format!("{}: {error:?}", statement.as_ref()).into());
            }
        }
        self.migrator.run("commit").await?;
        Ok(())
    }

    /// Undoes everything up to `stage`.
    pub(crate) async fn undo(&self, plan: &ExecutionPlan, stage: Stage) -> Result<()> {
        let undo = plan.undo_from(stage);
        self.in_transaction(&undo.first).await?;
        for statement in undo.after {
            self.in_transaction(&[statement]).await?;
        }
        self.in_transaction(&undo.last).await
    }

    /// Runs the plan to each stage and back, and finds the table as it was and nothing else; then
    /// runs it to its end and finds nothing of ours.
    pub(crate) async fn forth_and_back(&self, plan: &ExecutionPlan) -> Result<()> {
        let name: &QualifiedName = &plan.file.table;
        let before = self.table(name).await?;
        for stage in [Stage::Expanded, Stage::Backfilled, Stage::CutOver] {
            self.run_to(plan, stage).await?;
            self.undo(plan, stage)
                .await
                .map_err(|error| format!("undo from {stage}: {error:?}"))?;
            let after = self.table(name).await?;
            assert_eq!(
                diff(&before, &after),
                Vec::<String>::new(),
                "undone from {stage}"
            );
            let left = everything_of_ours(&self.observer, &["crossfade"]).await?;
            assert_eq!(left, Vec::<String>::new(), "undone from {stage}");
        }
        self.run_to(plan, Stage::Contracted).await?;
        let left = everything_of_ours(&self.observer, &["crossfade"]).await?;
        assert_eq!(left, Vec::<String>::new(), "contracted");
        Ok(())
    }

    /// The plan's SQL without what is another one each time.
    pub(crate) fn printed(&self, plan: &ExecutionPlan) -> String {
        without_not_null_names(&crossfade_planner::render::sql(plan))
            .replace(self.database.name(), "test")
            .replace(plan.fingerprint.as_str(), "FINGERPRINT")
    }

    /// A number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.observer.query_one_value(sql).await?)
    }

    /// Statements of the application, as the owner of the tables.
    pub(crate) async fn write(&self, sql: &str) -> Result<()> {
        let session = self.database.session("writer", Role::Migrator).await?;
        session
            .run(&format!("set role {}; {sql}", self.database.owner()))
            .await?;
        Ok(())
    }
}

/// A plan as it is where NOT NULL has no name: before PostgreSQL 18.
pub(crate) fn without_not_null_names(plan: &str) -> String {
    let line = |line: &str| {
        let set = (line.split_once(" add constraint ")).and_then(|(table, rest)| {
            let (_, column) = rest.split_once("\" not null ")?;
            Some(format!("{table} alter column {column} set not null"))
        });
        let created = (line.split_once(" constraint \"")).and_then(|(column, rest)| {
            let (_, rest) = rest.split_once("\" not null")?;
            Some(format!("{column} not null{rest}"))
        });
        set.or(created).unwrap_or_else(|| line.to_owned()) + "\n"
    };
    plan.lines().map(line).collect()
}

/// Reads a plan file.
pub(crate) fn parsed(text: &str) -> Result<PlanFile> {
    Ok(PlanFile::parse(text)
        .map_err(|errors| format!("{errors:?}"))?
        .plan)
}
