//! A table that is migrated by many operations at once, with an application that writes to it.

use std::time::Duration;

use crossfade_engine::Expansion;
use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::objects::Objects;
use crossfade_plan::{Ident, MigrationName, QualifiedName, Stage};
use crossfade_planner::PlannerSettings;
use crossfade_postgres::catalog::Table;
use crossfade_sandbox::workload::{
    AppTable, Kind, KindMix, OnDisconnect, Running, Shape, Workload, WorkloadReport, WorkloadSpec,
};
use crossfade_testkit::catalog_diff::diff;
use crossfade_testkit::{Comparison, Result, Role, TestDatabase};

use super::program::Program;
use crate::Scene;

/// The migration's name.
pub const MIGRATION: &str = "leads_wider";

const PLAN: &str = r#"
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
  - set_not_null: { column: region, up: "'none'" }
  - add_check: { name: leads_score_positive, check: "score >= 0" }
  - add_index: { name: leads_last_name, columns: [last_name, first_name] }
"#;

/// What the application does not write: the default fills it, and some old rows have none.
const MORE: &str = "alter table public.leads add column region text default 'eu'; \
     alter table public.leads_control add column region text default 'eu'; \
     update public.leads set region = null where id % 3 = 0; \
     update public.leads_control set region = null where id % 3 = 0; \
     create index leads_email on public.leads (email)";

/// What a row of the control table is before the cutover, and after a rollback: of rows that were
/// written in between, the old side has the region that the new side gave them.
const OLD: [(&str, &str); 9] = [
    ("id", "id"),
    ("name", "name"),
    ("email", "email"),
    ("score", "score"),
    ("status", "status"),
    ("note", "note"),
    ("created_at", "created_at"),
    ("payload", "payload"),
    ("coalesce(region, 'none')", "coalesce(region, 'none')"),
];

/// What it is after the cutover.
const NEW: [(&str, &str); 10] = [
    ("id", "id"),
    ("split_part(name, ' ', 1)", "first_name"),
    ("substr(name, strpos(name, ' ') + 1)", "last_name"),
    ("email", "email"),
    ("score", "score"),
    ("status", "status"),
    ("note", "note"),
    ("created_at", "created_at"),
    ("payload", "payload"),
    ("coalesce(region, 'none')", "region"),
];

/// The table, the program that migrates it, and what stood there before.
#[derive(Debug)]
pub struct Leads {
    /// The database.
    pub scene: Scene,
    /// The program.
    pub program: Program,
    /// The application's table.
    pub table: AppTable,
    plan: String,
    rows: u32,
    before: Table,
}

/// How the application works.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// At once.
    pub connections: usize,
    /// How often TRUNCATE is among 20,000 transactions, about. After it the copy begins afresh.
    pub truncate: u32,
    /// What a lost connection means.
    pub on_disconnect: OnDisconnect,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            connections: 2,
            truncate: 0,
            on_disconnect: OnDisconnect::Fail,
        }
    }
}

impl Leads {
    /// Makes the table in a database of its own; `backfill` are the plan's settings.
    pub async fn create(rows: u32, backfill: &str) -> Result<Self> {
        Self::create_on(TestDatabase::create().await?, rows, backfill).await
    }

    /// The same in a given database.
    pub async fn create_on(database: TestDatabase, rows: u32, backfill: &str) -> Result<Self> {
        let table = AppTable::leads()?;
        let scene = Scene::on(database).await?;
        scene.fill(&table, rows).await?;
        scene.admin.run(MORE).await?;
        scene.admin.run("analyze").await?;
        let before = scene.table(table.name()).await?;
        let plan = format!("{PLAN}backfill: {{ workers: 2, {backfill} }}\n");
        let program = Program::new(scene.database.url(Role::Migrator), &plan)?;
        Ok(Self {
            before: before.ok_or("there is no table")?,
            scene,
            program,
            table,
            plan,
            rows,
        })
    }

    /// Starts the application.
    pub async fn load(&self, load: Load) -> Result<Running> {
        let url = self.scene.database.url(Role::App);
        let mut spec = WorkloadSpec::new(url, self.table.clone(), self.rows);
        spec.connections = load.connections;
        spec.hold = Duration::from_millis(20)..=Duration::from_millis(120);
        spec.kinds = KindMix::default()
            .times(100)
            .with(Kind::Truncate, load.truncate);
        spec.rows_after_truncate = self.rows;
        spec.on_disconnect = load.on_disconnect;
        Ok(Workload::start(spec).await?)
    }

    /// What the plan file comes to.
    pub async fn plan(&self) -> Result<ExecutionPlan> {
        let file = crate::plan_file(&self.plan)?;
        let settings = PlannerSettings {
            state_schema: Ident::new("crossfade")?,
        };
        let database = self.scene.migrator()?;
        Ok(Expansion::prepare(&database, &settings, &file).await?.plan)
    }

    /// The table that becomes the new one.
    pub fn target(&self) -> Result<QualifiedName> {
        Ok(Objects::derive(&MigrationName::new(MIGRATION)?, self.table.name())?.target)
    }

    /// The application before the migration.
    pub fn old_shape(&self) -> Shape {
        Shape::of(&self.table)
    }

    /// What it knows at the moment of the swap, which may come at any time.
    pub fn common_shape(&self) -> Result<Shape> {
        Ok(self.old_shape().without("name")?)
    }

    /// The application's next version.
    pub fn new_shape(&self) -> Result<Shape> {
        let parts = [
            ("first_name", "pg_catalog.split_part({}, ' ', 1)"),
            (
                "last_name",
                "pg_catalog.substr({}, pg_catalog.strpos({}, ' ') + 1)",
            ),
        ];
        Ok(self.old_shape().mapped("name", &parts)?)
    }

    /// Fails unless the table holds, as it was or as it has become, what the application wrote. It
    /// may go on writing.
    pub async fn expect_equal(&self, new: bool) -> Result<i64> {
        let pairs: &[(&str, &str)] = if new { &NEW } else { &OLD };
        let comparison = Comparison {
            control: &self.table.control().to_string(),
            result: &self.table.name().to_string(),
            key: &pairs[..1],
            columns: &pairs[1..],
        };
        // In the order of a TRUNCATE, which would otherwise be deadlocked with the comparison.
        let name = self.table.name();
        let lock = format!("begin; lock table {name} in access share mode");
        self.scene.admin.run(&lock).await?;
        let rows = comparison.run(&self.scene.admin).await;
        self.scene.admin.run("rollback").await?;
        Ok(rows?)
    }

    /// Fails unless the table is what it was before the migration, and nothing else is left.
    pub async fn expect_undone(&self) -> Result<()> {
        let after = self.scene.table(self.table.name()).await?;
        let after = after.ok_or("there is no table")?;
        expect_none("differs from before", &diff(&self.before, &after))?;
        self.expect_nothing_left().await?;
        self.expect_stage(Stage::RolledBack).await?;
        self.expect_equal(false).await?;
        Ok(())
    }

    /// Fails unless the table is what the plan says, and nothing else is left.
    pub async fn expect_contracted(&self) -> Result<()> {
        self.expect_nothing_left().await?;
        self.expect_stage(Stage::Contracted).await?;
        let objects: Vec<String> = self.scene.admin.query_one_value(OBJECTS).await?;
        let wanted = [
            "check leads_score_positive true",
            "column region not null",
            "index leads_email true",
            "index leads_last_name true",
            "index leads_pkey true",
        ];
        if objects != wanted {
            return Err(format!("the table has {objects:?}").into());
        }
        self.expect_equal(true).await?;
        Ok(())
    }

    /// Fails if a statement of the application failed, or if a kind never ran.
    pub fn expect_no_failure(report: &WorkloadReport) -> Result<()> {
        if report.failures_total > 0 {
            let first = report.failures().first();
            return Err(format!("{first:?}\n{}", report.to_text()).into());
        }
        report.every_kind_ran()?;
        Ok(())
    }

    /// Looks through a new connection, after the server was down.
    pub async fn reconnect(&mut self) -> Result<()> {
        let admin = self.scene.database.session("admin", Role::Superuser);
        self.scene.admin = admin.await?;
        Ok(())
    }

    async fn expect_nothing_left(&self) -> Result<()> {
        expect_none("was left behind", &self.scene.left_behind().await?)
    }

    async fn expect_stage(&self, wanted: Stage) -> Result<()> {
        let found = self.scene.stage(&MigrationName::new(MIGRATION)?).await?;
        if found == wanted {
            Ok(())
        } else {
            Err(format!("the stage is {found}, not {wanted}").into())
        }
    }
}

/// What hangs on the table, with whether it is valid.
const OBJECTS: &str = "select array(
    select 'index ' || c.relname || ' ' || i.indisvalid from pg_index i \
    join pg_class c on c.oid = i.indexrelid where i.indrelid = 'public.leads'::regclass \
    union all select 'check ' || conname || ' ' || convalidated from pg_constraint \
    where conrelid = 'public.leads'::regclass and contype = 'c' \
    union all select 'column ' || attname || ' not null' from pg_attribute \
    where attrelid = 'public.leads'::regclass and attname = 'region' and attnotnull \
    order by 1)";

fn expect_none(what: &str, found: &[String]) -> Result<()> {
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("{what}: {found:#?}").into())
    }
}
