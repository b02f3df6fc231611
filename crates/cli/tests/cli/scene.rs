//! A database with a table that is to be migrated, and the program beside its plan file.

use crossfade_testkit::{Result, Role, Session, TestDatabase};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Program, Run};

/// What most tests migrate by.
pub(crate) const PLAN: &str = "\
name: orders
table: public.orders
operations:
  - change_type: { column: id, type: bigint }
  - add_column: { name: doubled, type: integer, up: 'total * 2' }
";

/// The command that registers it.
pub(crate) const EXPAND: &str = "expand orders.yaml --accept-unknown disk";

/// What a lease lives in the tests.
const LEASE_TTL: &str = "2s";

pub(crate) struct Scene {
    pub(crate) database: TestDatabase,
    /// A superuser, for looking and for damage.
    pub(crate) admin: Session,
    pub(crate) directory: TempDir,
}

impl Scene {
    /// A table `orders` with so many rows, and the usual plan in `orders.yaml`.
    pub(crate) async fn create(rows: u32) -> Result<Self> {
        Self::with_plan(rows, PLAN).await
    }

    pub(crate) async fn with_plan(rows: u32, plan: &str) -> Result<Self> {
        let database = TestDatabase::create().await?;
        let admin = database.session("admin", Role::Superuser).await?;
        let (name, owner, migrator, app) = (
            database.name(),
            database.owner(),
            database.migrator(),
            database.app(),
        );
        admin
            .run(&format!(
                "create table public.orders (id int primary key, note text, total int not null);
                 alter table public.orders owner to \"{owner}\";
                 grant select, insert, update, delete on public.orders to \"{app}\";
                 grant create on schema public to \"{migrator}\", \"{owner}\";
                 grant create on database \"{name}\" to \"{migrator}\";
                 insert into public.orders
                 select i, 'hunter2 ' || i, i % 100 from generate_series(1, {rows}) i;
                 analyze public.orders"
            ))
            .await?;
        let scene = Self {
            database,
            admin,
            directory: tempfile::tempdir()?,
        };
        scene.write("orders.yaml", plan)?;
        Ok(scene)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.directory.path().join(name), text)?)
    }

    /// The program as the migrator runs it.
    pub(crate) fn program(&self, line: &str) -> Program {
        Program::new(line)
            .directory(self.directory.path())
            .url(&self.database.url(Role::Migrator))
            .env("CROSSFADE_LEASE_TTL", LEASE_TTL)
    }

    pub(crate) fn run(&self, line: &str) -> Result<Run> {
        self.program(line).run()
    }

    /// A run that ends with this code.
    pub(crate) fn ends(&self, code: i32, line: &str) -> Result<Run> {
        let run = self.run(line)?;
        assert_eq!(run.code, Some(code), "{line}: {run:?}");
        Ok(run)
    }

    /// A run that fails with this exit code and this error, which has all that an error has.
    pub(crate) fn fails(&self, exit: i32, code: &str, line: &str) -> Result<Value> {
        let run = self.ends(exit, &format!("{line} --format json"))?;
        let last = run.stderr.lines().last().ok_or("an error")?;
        let error: Value = serde_json::from_str(last)?;
        assert_eq!(error["code"], code, "{line}: {run:?}");
        for key in ["message", "state", "next"] {
            assert!(
                error[key].as_str().is_some_and(|text| !text.is_empty()),
                "{line}: {run:?}"
            );
        }
        assert!(!run.stderr.contains("hunter2"), "{line}: {run:?}");
        Ok(error)
    }

    /// The result of a run that ends with this code: the only object, or the last line.
    pub(crate) fn result(&self, code: i32, line: &str) -> Result<Value> {
        let run = self.ends(code, &format!("{line} --format json"))?;
        result_of(&run.stdout)
    }

    /// As the program shows it.
    pub(crate) fn status(&self) -> Result<Value> {
        self.result(0, "status orders")
    }

    /// Goes through the stages up to this one.
    pub(crate) fn up_to(&self, stage: &str) -> Result<()> {
        let line = format!("run orders.yaml --accept-unknown disk --to {stage}");
        self.ends(0, &line).map(drop)
    }
}

/// The message of an error names this.
pub(crate) fn names(error: &Value, text: &str) {
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains(text), "{error}");
}

/// What to do next is this command.
pub(crate) fn leads_to(error: &Value, command: &str) {
    let next = error["next"].as_str().unwrap_or_default();
    assert!(next.contains(command), "{error}");
}

/// The result in what a command printed: the only object, or the last line.
pub(crate) fn result_of(stdout: &str) -> Result<Value> {
    match serde_json::from_str(stdout) {
        Ok(object) => Ok(object),
        Err(_) => Ok(serde_json::from_str(
            stdout.lines().last().ok_or("a line")?,
        )?),
    }
}
