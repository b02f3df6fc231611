//! Migrations as the command line names them: by name, or by plan file.

use std::path::Path;

use crossfade_plan::MigrationName;
use crossfade_postgres::Queries;
use crossfade_state::{MigrationRecord, Store};

use crate::error::{Code, Failure, too_late};
use crate::plan_source::PlanSource;

/// The name that `given` means.
pub(crate) fn name(given: &str) -> Result<MigrationName, Failure> {
    self::given(given).map(|(name, _)| name)
}

/// The name that `given` means, and the plan file if it is one. What has the form of a name is
/// one; anything else is a file.
pub(crate) fn given(given: &str) -> Result<(MigrationName, Option<PlanSource>), Failure> {
    if let Ok(name) = MigrationName::new(given) {
        return Ok((name, None));
    }
    let path = Path::new(given);
    if given != "-" && !path.exists() {
        let message = format!("{given:?} is no name of a migration and no file");
        return Err(Failure::new(Code::UnknownMigration, message));
    }
    let source = PlanSource::read(path)?;
    Ok((source.parsed.plan.name.clone(), Some(source)))
}

/// The registered migration of that name.
pub(crate) async fn find(
    store: &Store,
    on: &impl Queries,
    name: &MigrationName,
) -> Result<MigrationRecord, Failure> {
    store.find(on, name).await?.ok_or_else(|| unknown(name))
}

/// The same, of a migration to which something can still happen.
pub(crate) async fn find_open(
    store: &Store,
    on: &impl Queries,
    name: &MigrationName,
) -> Result<MigrationRecord, Failure> {
    let record = find(store, on, name).await?;
    if record.stage.is_final() {
        return Err(too_late(record.stage, name));
    }
    Ok(record)
}

/// No migration of that name is registered.
pub(crate) fn unknown(name: &MigrationName) -> Failure {
    Failure::new(
        Code::UnknownMigration,
        format!("no migration {name} is registered"),
    )
}
