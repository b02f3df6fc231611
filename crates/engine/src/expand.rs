//! Expand: registers the migration, creates the target and dual-write.

use crossfade_plan::Progress;
use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::file::PlanFile;
use crossfade_plan::fingerprint::drift;
use crossfade_plan::hazard::Severity;
use crossfade_plan::{Stage, event::Event};
use crossfade_planner::{Denied, PlannerSettings, collect_facts, denied_to_owner, plan};
use crossfade_postgres::catalog::{Catalog, Table};
use crossfade_postgres::{Database, Mode, TransactionSettings};
use crossfade_state::{MigrationRecord, NewMigration, RelationOid, StateError};

use crate::built;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::executor::{self, Also, StepEnd};
use crate::preflight::{self, Scope};
use crate::proof;
use crate::runner::{Runner, StageEnd, under_lease};
use crate::watch::Watching;

/// What a plan file comes to in this database, as of now.
#[derive(Debug, Clone)]
pub struct Expansion {
    /// The table as it is.
    pub table: Table,
    /// What will be done.
    pub plan: ExecutionPlan,
    /// What the table's owner, as whom the triggers write, lacks for it.
    pub denied: Vec<Denied>,
}

impl Expansion {
    /// Reads the catalogs and plans. Writes nothing.
    pub async fn prepare(
        database: &Database,
        settings: &PlannerSettings,
        file: &PlanFile,
    ) -> Result<Self, EngineError> {
        let tag = format!("{}/plan", file.name);
        let snapshot = TransactionSettings {
            mode: Mode::Snapshot,
            ..TransactionSettings::default()
        };
        let transaction = database.begin(&tag, &snapshot).await?;
        let catalog = Catalog::load(&transaction, &file.table).await?;
        let Catalog {
            server_version_num,
            table,
        } = catalog.ok_or_else(|| EngineError::NoTable((*file.table).clone()))?;
        let facts = collect_facts(&transaction, file, &table, server_version_num).await?;
        let denied = denied_to_owner(&transaction, file, &table, &facts).await?;
        transaction.rollback().await?;
        let plan = plan(file, &table, &facts, settings)?;
        Ok(Self {
            table,
            plan,
            denied,
        })
    }
}

impl Engine {
    /// Registers a plan and creates target and dual-write; does nothing if that was done before.
    ///
    /// With `reviewed`, runs exactly that plan, or refuses if the database is no longer what it
    /// was made for.
    pub async fn expand(
        &self,
        file: &PlanFile,
        reviewed: Option<&ExecutionPlan>,
    ) -> Result<StageEnd, EngineError> {
        let record = self
            .patiently(async || Box::pin(self.registered(file, reviewed)).await)
            .await?;
        if record.stage.is_undone() {
            let found = record.stage;
            return Err(EngineError::TooLate { found });
        }
        if record.stage >= Stage::Expanded {
            return Ok(StageEnd::Reached { already: true });
        }
        under_lease(self, &record, Watching::No, async |runner| {
            expand_under_lease(runner).await
        })
        .await
    }

    /// The migration of the plan file, registered now if it was not before.
    async fn registered(
        &self,
        file: &PlanFile,
        reviewed: Option<&ExecutionPlan>,
    ) -> Result<MigrationRecord, EngineError> {
        if let Some(record) = self.registered_before(file).await? {
            return Ok(record);
        }
        match self.register_anew(file, reviewed).await {
            Ok(record) => Ok(record),
            // What stands in the way may be the work of a runner that began at the same moment:
            // then its registration counts.
            Err(error) => self.registered_before(file).await?.ok_or(error),
        }
    }

    /// The migration that the plan file is registered as; refuses a file that was edited since.
    async fn registered_before(
        &self,
        file: &PlanFile,
    ) -> Result<Option<MigrationRecord>, EngineError> {
        let session = self.store.session(&format!("{}/expand", file.name)).await?;
        let known = self.store.find(&session, &file.name).await?;
        drop(session);
        let Some(record) = known.filter(|record| record.stage != Stage::RolledBack) else {
            return Ok(None);
        };
        let plan = self.registered_plan(&record).await?;
        self.register(&plan.with_file(file), record.table_oid)
            .await?;
        Ok(Some(record))
    }

    async fn register_anew(
        &self,
        file: &PlanFile,
        reviewed: Option<&ExecutionPlan>,
    ) -> Result<MigrationRecord, EngineError> {
        self.refuse_taken(file).await?;
        let settings = PlannerSettings {
            state_schema: self.store.schema().clone(),
        };
        let expansion = Expansion::prepare(self.database(), &settings, file).await?;
        if let Some(reviewed) = reviewed {
            refuse_unreviewed(&expansion.plan, reviewed)?;
        }
        self.refuse_hazards(&expansion.plan)?;
        let report = preflight::run(
            self.database(),
            Some(&self.store),
            &self.limits,
            &expansion,
            Scope::Expand,
        )
        .await?;
        report.refuse_unless_passed(&self.limits)?;
        for text in report.warnings() {
            self.events.emit(Event::Warning { text });
        }
        self.register(&expansion.plan, RelationOid(expansion.table.oid))
            .await?;
        self.record(&file.name).await
    }

    /// Registering would refuse it as well; but before that, the other migration's target would
    /// fail the plan or preflight, which says less.
    async fn refuse_taken(&self, file: &PlanFile) -> Result<(), EngineError> {
        let session = self.store.session(&format!("{}/expand", file.name)).await?;
        let all = self.store.list(&session).await?;
        let other = all.into_iter().find(|record| {
            !record.stage.is_final() && record.name != file.name && record.table == *file.table
        });
        match other {
            None => Ok(()),
            Some(other) => Err(StateError::TableTaken {
                table: other.table,
                other: other.name.to_string(),
            }
            .into()),
        }
    }

    pub(crate) async fn register(
        &self,
        plan: &ExecutionPlan,
        table_oid: RelationOid,
    ) -> Result<(), EngineError> {
        self.store
            .register(NewMigration {
                plan,
                table_oid,
                actor: &self.actor,
            })
            .await?;
        Ok(())
    }

    pub(crate) async fn registered_plan(
        &self,
        record: &MigrationRecord,
    ) -> Result<ExecutionPlan, EngineError> {
        let session = self.store.session(&format!("{}/plan", record.name)).await?;
        Ok(self.store.plan(&session, record.id).await?)
    }

    fn refuse_hazards(&self, plan: &ExecutionPlan) -> Result<(), EngineError> {
        let refused: Vec<_> = plan
            .hazards
            .iter()
            .filter(|hazard| {
                hazard.severity == Severity::Danger
                    && !self.limits.allowed_hazards.contains(&hazard.id)
            })
            .cloned()
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Hazards(refused))
        }
    }
}

/// What was reviewed is what runs.
fn refuse_unreviewed(plan: &ExecutionPlan, reviewed: &ExecutionPlan) -> Result<(), EngineError> {
    // Hazards may tell of sizes, which change without anything being another.
    let same = plan.fingerprint == reviewed.fingerprint
        && plan.steps == reviewed.steps
        && plan.mapping == reviewed.mapping;
    if same {
        return Ok(());
    }
    let drifted = drift(&reviewed.catalog, &plan.catalog);
    if drifted.is_empty() {
        Err(EngineError::NotTheReviewedPlan)
    } else {
        Err(EngineError::Drift(drifted))
    }
}

async fn expand_under_lease(runner: &mut Runner<'_>) -> Result<StageEnd, EngineError> {
    if runner.has_reached(Stage::Expanded) {
        return Ok(StageEnd::Reached { already: true });
    }
    refuse_drift(runner).await?;
    let steps: Vec<_> = runner.plan.steps_to(Stage::Expanded).cloned().collect();
    for (at, step) in steps.iter().enumerate() {
        // The triggers, what they are, and the stage become true at the same moment.
        let last = at + 1 == steps.len();
        let also = if last {
            built::record_new(runner).await?;
            Also::Progress(Progress::Expanded)
        } else {
            Also::Nothing
        };
        if executor::run(runner, step, also).await? == StepEnd::Stopped {
            return Ok(StageEnd::Stopped);
        }
    }
    Ok(StageEnd::Reached { already: false })
}

/// Fails if the source is not what the plan was made for: somebody may have changed it since. A
/// column that the plan does not know would be lost in the swap. What was proved is void then.
pub(crate) async fn refuse_drift(runner: &mut Runner<'_>) -> Result<(), EngineError> {
    let snapshot = TransactionSettings {
        mode: Mode::Snapshot,
        ..TransactionSettings::default()
    };
    let transaction = runner
        .engine
        .database()
        .begin(&runner.tag("drift"), &snapshot)
        .await?;
    let table = Table::load(&transaction, &runner.plan.mapping.source).await?;
    transaction.rollback().await?;
    let table = table.ok_or_else(|| EngineError::NoTable(runner.plan.mapping.source.clone()))?;
    let drifted = drift(&runner.plan.catalog, &table.parts());
    if drifted.is_empty() {
        return Ok(());
    }
    proof::void(runner).await?;
    Err(EngineError::Drift(drifted))
}
