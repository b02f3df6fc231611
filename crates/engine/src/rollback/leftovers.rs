//! What is left of a rollback once the old side bears its name again: constraints that came back
//! NOT VALID, and the new side itself.

use crossfade_plan::event::Event;
use crossfade_plan::execution::StepId;
use crossfade_plan::{Progress, Stage};
use crossfade_postgres::{ErrorClass, Queries, Transaction, TransactionSettings, failpoint};

use super::exists;
use crate::error::EngineError;
use crate::holders;
use crate::runner::Runner;

/// Restores what is to be restored, drops the rest, and returns the stage after it; `None` when
/// told to stop before. What was done is recorded, and is not done again.
pub(super) async fn remove(runner: &Runner<'_>) -> Result<Option<Stage>, EngineError> {
    if runner.stop().is_cancelled() || !restore_proofs(runner).await? {
        return Ok(None);
    }
    let target = runner.plan.objects.target.to_string();
    if !holders::wait_for_long_ones(runner, std::slice::from_ref(&target)).await? {
        return Ok(None);
    }
    let settings = TransactionSettings {
        lock_timeout: runner.plan.file.cutover.lock_timeout.get(),
        ..TransactionSettings::default()
    };
    let transaction = runner.begin("drop", &settings).await?;
    match drop_in(runner, &transaction, &target).await {
        Ok(stage) => {
            failpoint::hit("rollback/before-drop-commit");
            transaction.commit().await?;
            failpoint::hit("rollback/dropped");
            Ok(Some(stage))
        }
        Err(error) => {
            transaction.abandon().await;
            Err(error)
        }
    }
}

async fn drop_in(
    runner: &Runner<'_>,
    transaction: &Transaction,
    target: &str,
) -> Result<Stage, EngineError> {
    if exists(transaction, target).await? {
        let lock = format!("lock table only {target} in access exclusive mode");
        transaction.batch(&lock).await?;
    }
    let statements = runner.plan.undo_from(Stage::RollingBack).last.join(";\n");
    transaction.batch(&statements).await?;
    let (store, id) = (&runner.engine.store, runner.record.id);
    let actor = &runner.engine.actor;
    Ok(store
        .advance(transaction, id, Progress::RolledBack, actor)
        .await?)
}

/// Restores what takes a scan, each statement in a transaction of its own that also records it.
/// `false` when told to stop in between.
///
/// The old side is live by then. What it does not fulfil any more (its rows may have lost values
/// that the new side does not know) is told, with the statements to run by hand: those that follow
/// a failed one would scan under a lock that blocks everybody.
async fn restore_proofs(runner: &Runner<'_>) -> Result<bool, EngineError> {
    let statements = runner.plan.undo_from(Stage::RollingBack).after;
    let session = runner.engine.store.session(&runner.tag("restore")).await?;
    let (store, id) = (&runner.engine.store, runner.record.id);
    let steps = store.steps(&session, id).await?;
    drop(session);
    for (at, statement) in statements.iter().enumerate() {
        let step = StepId::new(format!("restore-{}", at + 1));
        if steps
            .iter()
            .any(|known| known.id == step && known.finished_at.is_some())
        {
            continue;
        }
        if runner.stop().is_cancelled() {
            return Ok(false);
        }
        match restore(runner, &step, statement).await {
            Ok(()) => {}
            Err(EngineError::Query(error))
                if !matches!(error.class(), ErrorClass::Retry | ErrorClass::Reconnect) =>
            {
                tracing::warn!(error = %error, "a constraint could not be validated again");
                for statement in &statements[at..] {
                    let text = format!("this is still to be run by hand: {statement}");
                    runner.engine.events.emit(Event::Warning { text });
                }
                return Ok(true);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

async fn restore(runner: &Runner<'_>, step: &StepId, statement: &str) -> Result<(), EngineError> {
    let settings = TransactionSettings {
        statement_timeout: None,
        ..TransactionSettings::default()
    };
    let transaction = runner.begin("restore", &settings).await?;
    let (store, id) = (&runner.engine.store, runner.record.id);
    let restored = async {
        transaction.batch(statement).await?;
        store.finish_step(&transaction, id, step).await?;
        Ok::<(), EngineError>(())
    };
    match restored.await {
        Ok(()) => {
            transaction.commit().await?;
            Ok(())
        }
        Err(error) => {
            transaction.abandon().await;
            Err(error)
        }
    }
}
