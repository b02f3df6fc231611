//! What somebody changed on the new side since the cutover: going back drops it, and with it the
//! change. Nothing may be lost silently.

use crossfade_plan::event::Event;
use crossfade_plan::fingerprint::{CatalogParts, drift};
use crossfade_postgres::catalog::Table;
use crossfade_postgres::{Mode, TransactionSettings, rule};
use crossfade_state::RelationOid;

use super::Loss;
use crate::error::EngineError;
use crate::preflight::dependents;
use crate::runner::Runner;
use crate::stamp::Stamp;

/// Records what the swap has made of the new side, for [`check`]. After the commit: reading the
/// catalogs whole takes longer than the locks of the swap may be held.
pub(crate) async fn record(runner: &Runner<'_>) -> Result<(), EngineError> {
    let transaction = runner
        .begin("catalog", &TransactionSettings::default())
        .await?;
    let name = &runner.plan.mapping.source;
    if let Some(table) = Table::load(&transaction, name).await? {
        let (store, id) = (&runner.engine.store, runner.record.id);
        store
            .record_target_catalog(&transaction, id, &table.parts())
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Fails where something hangs on the new side, and, unless the loss is accepted, where anything
/// on it is not as the swap left it. Returns a stamp of what was compared, to be read again under
/// the locks.
pub(super) async fn check(
    runner: &Runner<'_>,
    tables: [RelationOid; 2],
    loss: Loss,
) -> Result<Stamp, EngineError> {
    let settings = TransactionSettings {
        mode: Mode::Read,
        ..TransactionSettings::default()
    };
    let database = runner.engine.database();
    let transaction = database.begin(&runner.tag("catalog"), &settings).await?;
    let stamp = Stamp::read(&transaction, tables).await?;
    let (store, id) = (&runner.engine.store, runner.record.id);
    let name = &runner.plan.mapping.source;
    let table = Table::load(&transaction, name).await?;
    let recorded = store.target_catalog(&transaction, id).await?;
    transaction.rollback().await?;
    let table = table.ok_or_else(|| EngineError::NoTable(name.clone()))?;
    let hanging = hanging(runner, &table);
    if !hanging.is_empty() && rule::holds("rollback/nothing-hangs") {
        return Err(EngineError::Hanging(hanging));
    }
    let parts = table.parts();
    // Before the swap the new side had another name.
    let key = format!("table {name}");
    match recorded.filter(|recorded: &CatalogParts| recorded.contains_key(&key)) {
        Some(recorded) => {
            let drifted = drift(&recorded, &parts);
            if !drifted.is_empty() && loss == Loss::Refused && rule::holds("rollback/altered") {
                return Err(EngineError::AlteredSince(drifted));
            }
        }
        // The runner died between the swap and this record.
        None => runner.engine.events.emit(Event::Warning {
            text: format!("whether {name} was altered since the cutover is not known"),
        }),
    }
    Ok(stamp)
}

/// What hangs on one side, but for the other one: a serial column draws from the same sequence.
pub(crate) fn hanging(runner: &Runner<'_>, table: &Table) -> Vec<String> {
    let unquoted = |text: &str| text.replace('"', "");
    let objects = &runner.plan.objects;
    let sides = [
        &runner.plan.mapping.source,
        &objects.target,
        &objects.retired,
    ];
    let ours = sides.map(|side| format!("table column {}.", unquoted(&side.to_string())));
    let mut hanging = dependents::hanging(table);
    hanging.retain(|one| !ours.iter().any(|side| unquoted(one).starts_with(side)));
    hanging
}
