//! What a statement did not find: where a table of the migration is not there under its name, that
//! is what is told, instead of the server's answer to the one statement that met it first.

use std::fmt;

use crossfade_backfill::BackfillError;
use crossfade_plan::{QualifiedName, Stage};
use crossfade_verify::VerifyError;
use tokio_postgres::error::SqlState;

use crate::error::EngineError;
use crate::rollback::exists;
use crate::runner::Runner;

/// Which of the migration's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Side {
    /// The table that the applications use, before the cutover or when it has been undone.
    Source,
    /// The table that is being filled.
    Target,
    /// The table that the applications use since the cutover.
    New,
    /// The source of before the cutover, to which the way back leads.
    Old,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the source",
            Self::Target => "the target",
            Self::New => "the new side",
            Self::Old => "the old side",
        })
    }
}

/// Whether a statement did not find a table.
pub(crate) fn is_suspected(error: &EngineError) -> bool {
    let missing = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
    let named = matches!(
        error,
        EngineError::NoTable(_)
            | EngineError::Verify(VerifyError::TableGone { .. })
            | EngineError::Backfill(BackfillError::SourceGone)
    );
    named || (error.query()).is_some_and(|query| missing.iter().any(|state| query.is(state)))
}

/// The first table that is not there under the name that it has in the migration's stage.
pub(crate) async fn table(runner: &Runner<'_>) -> Result<Option<EngineError>, EngineError> {
    let session = runner.engine.store.session(&runner.tag("gone")).await?;
    // The stage as recorded: the work may have reached another one before it failed.
    let stage = (runner.engine.store.migration(&session, runner.record.id))
        .await?
        .stage;
    for (table, side) in tables(runner, stage) {
        if !exists(&session, &table.to_string()).await? {
            let table = table.clone();
            return Ok(Some(EngineError::TableGone { table, side }));
        }
    }
    Ok(None)
}

fn tables<'a>(runner: &'a Runner<'_>, stage: Stage) -> Vec<(&'a QualifiedName, Side)> {
    let (source, objects) = (&runner.plan.mapping.source, &runner.plan.objects);
    match stage {
        Stage::Expanded | Stage::Backfilling | Stage::Backfilled | Stage::Verified => {
            vec![(source, Side::Source), (&objects.target, Side::Target)]
        }
        Stage::CutOver => vec![(source, Side::New), (&objects.retired, Side::Old)],
        Stage::Planned | Stage::RollingBack => vec![(source, Side::Source)],
        Stage::Contracted | Stage::RolledBack => Vec::new(),
    }
}
