//! A migration that is registered, for the commands that work on one.

use std::time::Duration;

use crossfade_plan::Ident;
use crossfade_plan::execution::ExecutionPlan;
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Database, Environment, Pool,
};
use crossfade_state::{Actor, MigrationId, NewMigration, RelationOid, Store};
use crossfade_testkit::{Result, Role, TestDatabase};
use serde_json::Value;

use crate::plan::{FILE, database};
use crate::program::{Program, Run};

/// A database with a registered migration.
pub(crate) struct Registered {
    pub(crate) database: TestDatabase,
    pub(crate) url: String,
    /// The state, as a runner has it.
    pub(crate) store: Store,
    pub(crate) id: MigrationId,
}

impl Registered {
    pub(crate) async fn create() -> Result<Self> {
        let database = database().await?;
        let url = database.url(Role::Migrator);
        let run = Program::new("plan - --format json")
            .url(&url)
            .input(FILE.as_bytes())
            .run()?;
        let plan: ExecutionPlan = serde_json::from_value(run.json()?["plan"].clone())?;
        let observer = database.session("observer", Role::Superuser).await?;
        let oid = observer
            .query_one_value("select 'public.orders'::regclass::oid")
            .await?;

        let given = ConnectionString {
            text: url.clone().into(),
            origin: "test",
        };
        let environment = Environment::new(|_| None, None, None);
        let settings = ConnectionSettings::resolve(Some(&given), &environment)?;
        let connector = Connector::new(settings, None)?;
        let pool = Pool::new(connector.clone(), "fixture", 2, Duration::from_secs(30));
        let reached = Database::new(connector.clone(), connector, pool);
        let store = Store::open(reached, Ident::new("crossfade")?).await?;
        let actor = Actor::new("fixture");
        let new = NewMigration {
            plan: &plan,
            table_oid: RelationOid(oid),
            actor: &actor,
        };
        let id = store.register(new).await?.id();
        Ok(Self {
            database,
            url,
            store,
            id,
        })
    }

    pub(crate) fn run(&self, line: &str) -> Result<Run> {
        Program::new(line).url(&self.url).run()
    }

    pub(crate) fn json(&self, line: &str) -> Result<Value> {
        Program::new(line)
            .argument("--format=json")
            .url(&self.url)
            .run()?
            .json()
    }
}
