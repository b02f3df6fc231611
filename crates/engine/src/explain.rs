//! What stands behind the server's answer to a statement, where that can be looked up: a table of
//! the migration that is gone, something that hangs on what is to be dropped, an event trigger.

use crossfade_plan::{QualifiedName, Stage};
use crossfade_postgres::catalog::Table;
use crossfade_postgres::{Mode, TransactionSettings};
use tokio_postgres::error::SqlState;

use crate::error::EngineError;
use crate::rollback::altered;
use crate::runner::Runner;
use crate::{event_triggers, gone};

/// The error of a stage, or the one behind it. What cannot be looked up leaves the error as it is.
pub(crate) async fn explain(runner: &Runner<'_>, error: EngineError) -> EngineError {
    match behind(runner, &error).await {
        Ok(Some(told)) => told,
        Ok(None) => error,
        Err(second) => {
            tracing::debug!(error = %second, "what stands behind an error could not be looked up");
            error
        }
    }
}

async fn behind(
    runner: &Runner<'_>,
    error: &EngineError,
) -> Result<Option<EngineError>, EngineError> {
    if gone::is_suspected(error) {
        return gone::table(runner).await;
    }
    let EngineError::Query(query) = error else {
        return Ok(None);
    };
    if query.is(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
        return hanging(runner).await;
    }
    if query.is(&SqlState::UNDEFINED_OBJECT) {
        let lacks = query.message().unwrap_or_default().to_owned();
        let undoing = runner.record.stage == Stage::CutOver && !lacks.is_empty();
        return Ok(undoing.then_some(EngineError::PartGone(lacks)));
    }
    event_triggers::behind(runner, query).await
}

/// What hangs on the side that contract, or what is left of a rollback, drops.
async fn hanging(runner: &Runner<'_>) -> Result<Option<EngineError>, EngineError> {
    let objects = &runner.plan.objects;
    let dropped = match runner.record.stage {
        Stage::CutOver => &objects.retired,
        Stage::RollingBack => &objects.target,
        _ => return Ok(None),
    };
    let found = hanging_on(runner, dropped).await?;
    Ok((!found.is_empty()).then_some(EngineError::Hanging(found)))
}

/// What hangs on a side of the migration besides the other side, by name; nothing if it is gone.
pub(crate) async fn hanging_on(
    runner: &Runner<'_>,
    side: &QualifiedName,
) -> Result<Vec<String>, EngineError> {
    let settings = TransactionSettings {
        mode: Mode::Read,
        ..TransactionSettings::default()
    };
    let database = runner.engine.database();
    let transaction = database.begin(&runner.tag("hanging"), &settings).await?;
    let table = Table::load(&transaction, side).await?;
    transaction.rollback().await?;
    Ok(table.map_or_else(Vec::new, |table| altered::hanging(runner, &table)))
}
