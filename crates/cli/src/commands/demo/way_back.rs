//! The way back: rollback under load, and whether a write was lost.

use crossfade_observe::quantity;
use crossfade_sandbox::oracle::OracleError;
use crossfade_sandbox::sales::{MIGRATION, Version};
use crossfade_sandbox::workload::{Running, WorkloadReport};

use crate::error::Failure;

use super::forward::locks_held;
use super::stage::{Stage, WATCH, broken};

/// What the way back has come to.
#[derive(Debug)]
pub(super) struct Back {
    /// For how long the swap back kept the application out, in milliseconds.
    pub(super) swap_ms: f64,
    /// The application, from the start of the migration to the end.
    pub(super) application: WorkloadReport,
    /// The rows of the table, which are those of the control table, or what differs.
    pub(super) compared: Result<i64, OracleError>,
}

/// Undoes the migration while the application works, and compares.
pub(super) async fn roll_back(stage: &Stage<'_>, workload: Running) -> Result<Back, Failure> {
    let narrator = stage.narrator;
    narrator.blank()?;
    narrator.say(
        "Suppose that something is wrong with the new version. The application goes back to the \
         release that fits both tables, then:",
    )?;
    let between = stage.sales.shape(Version::Between);
    workload
        .switch_shape(between.map_err(|error| broken(&error))?)
        .await;
    let line = format!("rollback {MIGRATION} --yes");
    narrator.command(&format!("crossfade {line}"))?;
    let swap_ms = locks_held(&stage.program.run(&line).await?)?;
    narrator.say(&format!(
        "The old table is back, with all that was written meanwhile; locks were held for \
         at most {swap_ms:.1} ms. What the migration made is gone again."
    ))?;
    let first = stage.sales.shape(Version::First);
    workload
        .switch_shape(first.map_err(|error| broken(&error))?)
        .await;
    tokio::time::sleep(WATCH).await;
    let application = workload.stop().await;

    narrator.blank()?;
    narrator.say(
        "The application is stopped. Was a write lost? EXCEPT ALL, both ways, between the table \
         and the control table, every column of every row:",
    )?;
    let compared = stage.sales.compare(Version::First).await;
    narrator.say(&match &compared {
        Ok(rows) => format!(
            "No: {} rows on both sides, no difference.",
            quantity::count(u64::try_from(*rows).unwrap_or_default())
        ),
        Err(OracleError::Differ(_)) => "Yes, they differ.".to_owned(),
        Err(error) => format!("Not known: {error}."),
    })?;
    Ok(Back {
        swap_ms,
        application,
        compared,
    })
}
