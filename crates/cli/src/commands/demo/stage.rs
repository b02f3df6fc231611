//! What the demo plays on: the server, the table, and the application.

use std::time::Duration;

use crossfade_observe::quantity;
use crossfade_sandbox::sales::{MIGRATOR, OWNER, Sales, SalesError};
use crossfade_sandbox::workload::{Running, Workload, WorkloadReport};
use serde_json::Value;

use crate::error::{Code, Failure};

use super::Arguments;
use super::measure::rounded;
use super::narrator::Narrator;
use super::program::Program;

/// For how long the application is watched where nothing else happens.
pub(super) const WATCH: Duration = Duration::from_secs(3);

/// How long the long ones of the application's transactions are open. They make others wait, as
/// in any application; much longer ones would hide what the migration adds.
const HOLD: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(20)..=Duration::from_millis(60);

/// Everything that is there from the first act to the last.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) sales: Sales,
    pub(super) program: Program,
    pub(super) narrator: &'a Narrator,
    rows: u32,
    seed: u64,
    connections: u16,
}

impl<'a> Stage<'a> {
    /// Starts the server and loads the table.
    pub(super) async fn set(
        arguments: &Arguments,
        narrator: &'a Narrator,
    ) -> Result<Self, Failure> {
        narrator.say("Starting a private PostgreSQL, with fsync on.")?;
        let sales = Sales::start(arguments.connections).await;
        let sales = sales.map_err(|error| broken(&error))?;
        let version = sales.server_version().await;
        let version = version.map_err(|error| broken(&error))?;
        let directory = sales.directory();
        narrator.add(&format!("PostgreSQL {version} in {}", directory.display()))?;

        let program = Program::new(directory, sales.url(MIGRATOR))?;
        let stage = Self {
            program,
            sales,
            narrator,
            rows: arguments.rows,
            seed: arguments.seed,
            connections: arguments.connections,
        };
        stage.grant().await?;
        stage.load().await?;
        Ok(stage)
    }

    /// Makes the role of least privilege by the SQL that the program prints.
    async fn grant(&self) -> Result<(), Failure> {
        let line = format!("grants --owner {OWNER} --schema public");
        self.narrator.command(&format!("crossfade {line}"))?;
        let printed = self.program.run(&line).await?;
        let statements = printed.get("statements").and_then(Value::as_array);
        let statements: Vec<String> = statements
            .into_iter()
            .flatten()
            .filter_map(|statement| Some(statement.as_str()?.to_owned()))
            .collect();
        let granted = self.sales.grant(&statements).await;
        granted.map_err(|error| broken(&error))?;
        self.narrator.add(&format!(
            "The superuser runs the {} statements that it prints. Crossfade works as role \
             {MIGRATOR}, which has these rights and no others.",
            statements.len()
        ))
    }

    async fn load(&self) -> Result<(), Failure> {
        self.narrator.blank()?;
        self.narrator.say(&format!(
            "Loading {} rows into the table leads.",
            quantity::count(self.rows.into())
        ))?;
        let loaded = self.sales.load(self.rows, self.seed).await;
        loaded.map_err(|error| broken(&error))
    }

    /// How the application does before anything is migrated.
    pub(super) async fn application_alone(&self) -> Result<WorkloadReport, Failure> {
        self.narrator.say(&format!(
            "The application starts: {} connections insert, update, delete, upsert, copy in, and \
             change keys, at all isolation levels. It writes the same into a control table, to be \
             compared at the end.",
            self.connections
        ))?;
        let workload = self.start(None).await?;
        tokio::time::sleep(WATCH).await;
        let report = workload.stop().await;
        self.narrator.say(&format!(
            "Alone it does {} transactions a second; its longest statement took {}.",
            quantity::count(rounded(report.commits, report.seconds)),
            quantity::milliseconds(report.latency.max_us)
        ))?;
        Ok(report)
    }

    /// Starts the application again, where `earlier` has ended.
    pub(super) async fn application(&self, earlier: &WorkloadReport) -> Result<Running, Failure> {
        self.start(Some(earlier.next_key)).await
    }

    async fn start(&self, first_key: Option<u32>) -> Result<Running, Failure> {
        let mut spec = self.sales.workload(self.rows);
        spec.connections = self.connections.into();
        spec.seed = self.seed;
        spec.hold = HOLD;
        spec.first_key = first_key.unwrap_or(spec.first_key);
        let started = Workload::start(spec).await;
        started.map_err(|error| Failure::of(Code::DemoBroken, &error))
    }

    /// So many rows were loaded.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }
}

/// Without a server there is no demo; anything else should not happen.
pub(super) fn broken(error: &SalesError) -> Failure {
    match error {
        SalesError::Cluster(source) => Failure::of(Code::DemoServer, source),
        _ => Failure::of(Code::DemoBroken, error),
    }
}
