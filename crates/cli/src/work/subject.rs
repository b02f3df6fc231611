//! The migration that a stage command is about, as it is before the command begins.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::file::PlanFile;
use crossfade_plan::{Ident, MigrationName, Stage};
use crossfade_postgres::Database;
use crossfade_state::{MigrationRecord, StateError, Store};

use crate::connection::{self, FEW};
use crate::error::Failure;
use crate::migration;
use crate::patience::Patience;
use crate::plan_source::PlanSource;
use crate::settings::Settings;

/// A migration, by plan file or by name.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Its name.
    pub(crate) name: MigrationName,
    /// What the user wrote, for commands that are to be typed next.
    pub(crate) given: String,
    /// The plan file, if that is what was given.
    pub(crate) source: Option<PlanSource>,
    /// What is registered under the name.
    pub(crate) registered: Option<Registered>,
}

/// A migration that is registered.
#[derive(Debug)]
pub(crate) struct Registered {
    /// Where it stands.
    pub(crate) record: MigrationRecord,
    /// Its plan.
    pub(crate) plan: ExecutionPlan,
}

impl Subject {
    /// Reads the plan file or takes the name, and looks what is registered, with `patience`.
    /// Creates nothing.
    ///
    /// A plan file that was edited after its migration was registered is refused, whatever the
    /// command: what it says is not what runs.
    pub(crate) async fn find(
        settings: &Settings,
        given: &str,
        command: &str,
        patience: &Patience,
    ) -> Result<Self, Failure> {
        let (name, source) = migration::given(given)?;
        let database = connection::database(settings, Some(&name), command, FEW)?;
        let schema = &settings.state_schema;
        let registered = patience
            .keep_trying(async || registered(&database, schema, &name, command).await)
            .await?;
        if let (Some(registered), Some(source)) = (&registered, &source)
            && registered.record.stage != Stage::RolledBack
            && registered.plan.file != source.parsed.plan
        {
            let id = registered.record.id;
            return Err(StateError::PlanEdited { name, id }.into());
        }
        Ok(Self {
            name,
            given: given.to_owned(),
            source,
            registered,
        })
    }

    /// As [`Self::find`], for commands that only work on what is registered.
    pub(crate) async fn find_registered(
        settings: &Settings,
        given: &str,
        command: &str,
        patience: &Patience,
    ) -> Result<Self, Failure> {
        let subject = Self::find(settings, given, command, patience).await?;
        match subject.registered {
            Some(_) => Ok(subject),
            None => Err(migration::unknown(&subject.name)),
        }
    }

    /// The plan file: the one that was given, or the one that is registered.
    pub(crate) fn file(&self) -> Option<&PlanFile> {
        match (&self.source, &self.registered) {
            (Some(source), _) => Some(&source.parsed.plan),
            (None, Some(registered)) => Some(&registered.plan.file),
            (None, None) => None,
        }
    }

    /// The stage that it is in.
    pub(crate) fn stage(&self) -> Stage {
        self.registered
            .as_ref()
            .map_or(Stage::Planned, |registered| registered.record.stage)
    }

    /// How many workers the plan asks for.
    pub(super) fn workers(&self) -> usize {
        let workers = self.file().map_or(1, |file| file.backfill.workers);
        usize::try_from(workers).unwrap_or(1)
    }
}

async fn registered(
    database: &Database,
    schema: &Ident,
    name: &MigrationName,
    command: &str,
) -> Result<Option<Registered>, Failure> {
    let store = match Store::open_existing(database.clone(), schema.clone()).await {
        Ok(Some(store)) => store,
        Ok(None) => return Ok(None),
        Err(StateError::SchemaOlder { .. }) => {
            Store::open(database.clone(), schema.clone()).await?
        }
        Err(error) => return Err(error.into()),
    };
    let session = store.session(command).await?;
    let Some(record) = store.find(&session, name).await? else {
        return Ok(None);
    };
    let plan = store.plan(&session, record.id).await?;
    Ok(Some(Registered { record, plan }))
}
