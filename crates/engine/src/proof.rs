//! What a verification has proved holds for as long as both tables and the triggers stay what they
//! were.

use crossfade_plan::event::Event;
use crossfade_plan::{Progress, Stage};
use crossfade_postgres::TransactionSettings;

use crate::error::EngineError;
use crate::runner::Runner;

/// Voids what was proved, in a transaction of its own: the gate is shut until a new verification
/// has read every row. Does nothing in stages in which there is nothing to void.
pub(crate) async fn void(runner: &mut Runner<'_>) -> Result<(), EngineError> {
    let before = runner.record.stage;
    if !matches!(before, Stage::Backfilled | Stage::Verified) {
        return Ok(());
    }
    let transaction = runner
        .begin("void", &TransactionSettings::default())
        .await?;
    let (store, id) = (&runner.engine.store, runner.record.id);
    let actor = &runner.engine.actor;
    let stage = store
        .advance(&transaction, id, Progress::ProofVoided, actor)
        .await?;
    transaction.commit().await?;
    runner.record.stage = stage;
    if stage != before {
        let text = format!("what was proved is void: the stage is {stage} again");
        runner.engine.events.emit(Event::Warning { text });
    }
    Ok(())
}
