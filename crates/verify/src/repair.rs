//! Repair: brings the rows in line that a verification found to differ, one transaction each.
//!
//! It proves nothing. Only a later verification without a difference opens the gate, after the
//! wait for snapshots from before the last repair.

use crossfade_dual_write::{rederive, sql};
use crossfade_plan::Progress;
use crossfade_plan::mapping::Rewrite;
use crossfade_postgres::{Queries, Transaction, TransactionSettings, retry, rule};
use crossfade_state::{Actor, Direction, Mismatch, MismatchKind, VerificationId};
use serde::Serialize;

use crate::error::VerifyError;
use crate::interval::Key;
use crate::job::Job;
use crate::key::texts;
use crate::read::settled;
use crate::sides::Sides;

/// What a repair has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Rows of the target that were made what the source's row is.
    pub rederived: u64,
    /// Rows of the target that were removed, since the source has none.
    pub removed: u64,
    /// Recorded rows that needed nothing any more.
    pub unchanged: u64,
    /// Rows that the target refuses, by key, with the SQLSTATE.
    pub refused: Vec<(Key, String)>,
    /// Whether earlier proofs were voided. Always so where the way to the cutover is concerned;
    /// after it there is no gate to shut.
    pub voided: bool,
    /// Whether the repair was stopped before its end.
    pub stopped: bool,
}

enum Outcome {
    Rederived,
    Removed,
    Unchanged,
}

impl<P: Sync> Job<P> {
    /// Repairs what `verification` recorded. Voids all verifications, this one and those that run,
    /// before it touches the first row: whoever is cut off in the middle finds the gate shut.
    pub async fn repair(
        &self,
        verification: VerificationId,
        actor: &Actor,
    ) -> Result<RepairReport, VerifyError> {
        let sides = self.sides().await?;
        let session = self.store.session(&self.tag("repair")).await?;
        let mismatches = self
            .store
            .mismatches(&session, verification, u32::MAX)
            .await?;
        drop(session);
        let mut report = RepairReport::default();
        if mismatches.is_empty() {
            return Ok(report);
        }
        let id = self.lease.migration();
        let transaction = self
            .store
            .begin_fenced(&self.lease, &self.tag("repair"), &self.repairing())
            .await?;
        // Snapshots from before it have to be waited for again.
        self.store.forget_horizon(&transaction, id).await?;
        if self.direction == Direction::Forward && rule::holds("verify/repair-voids") {
            let voided = Progress::ProofVoided;
            self.store.advance(&transaction, id, voided, actor).await?;
            report.voided = true;
        }
        transaction.commit().await?;
        for mismatch in &mismatches {
            if self.stop.is_cancelled() {
                report.stopped = true;
                break;
            }
            let outcome = retry(
                self.settings.retry,
                || self.repair_row(&sides, mismatch),
                VerifyError::passes,
                |error, pause| tracing::debug!(error = %error, ?pause, "a row is repaired again"),
            )
            .await;
            match settled(outcome) {
                Ok(Outcome::Rederived) => report.rederived += 1,
                Ok(Outcome::Removed) => report.removed += 1,
                Ok(Outcome::Unchanged) => report.unchanged += 1,
                Err(error) => match error.refused_value() {
                    Some(sqlstate) => report.refused.push((mismatch.key.clone(), sqlstate)),
                    None => return Err(error),
                },
            }
        }
        Ok(report)
    }

    fn repairing(&self) -> TransactionSettings {
        TransactionSettings {
            lock_timeout: self.settings.lock_timeout,
            statement_timeout: Some(self.settings.chunk_timeout),
            ..TransactionSettings::default()
        }
    }

    async fn repair_row(&self, sides: &Sides, row: &Mismatch) -> Result<Outcome, VerifyError> {
        let transaction = self
            .store
            .begin_fenced(&self.lease, &self.tag("repair"), &self.repairing())
            .await?;
        let outcome = match row.kind {
            MismatchKind::Extra => remove_orphan(&transaction, sides, &row.key).await?,
            MismatchKind::Missing | MismatchKind::Different => {
                rederive(&transaction, sides, row).await?
            }
        };
        transaction.commit().await?;
        Ok(outcome)
    }
}

/// Makes the target's row what the source's is, under the source's row lock.
async fn rederive(
    transaction: &Transaction,
    sides: &Sides,
    row: &Mismatch,
) -> Result<Outcome, VerifyError> {
    if needs_replacing(sides, row) {
        // The lock comes first: no writer of the row is between the delete and the insert.
        let lock = format!(
            "select 1 from {} where {} for no key update of {}",
            sql::only(&sides.mapping.source, sql::SOURCE_ALIAS),
            sides.source_has_key(),
            sql::SOURCE_ALIAS
        );
        if transaction
            .query_opt(&lock, &texts(&row.key))
            .await?
            .is_some()
        {
            let key = sides.target_key_of(transaction, &row.key).await?;
            let delete = format!(
                "delete from {} where {}",
                sql::only(&sides.mapping.target, sql::TARGET_ALIAS),
                sides.target_has_key()
            );
            transaction.execute(&delete, &texts(&key)).await?;
        }
    }
    let rederived = transaction
        .execute(
            &rederive::rederive_statement(&sides.mapping),
            &texts(&row.key),
        )
        .await?;
    if rederived > 0 {
        return Ok(Outcome::Rederived);
    }
    // The source's row is gone since: what the target has of it is an orphan, if it has anything.
    let key = sides.target_key_of(transaction, &row.key).await?;
    remove_orphan(transaction, sides, &key).await
}

/// Whether a column differs that an upsert never sets again: an identity GENERATED ALWAYS, or a
/// value that is made once.
fn needs_replacing(sides: &Sides, row: &Mismatch) -> bool {
    row.kind == MismatchKind::Different
        && sides.mapping.forward.iter().any(|image| {
            image.rewrite == Rewrite::Never
                && row.columns.iter().any(|name| name == image.column.as_str())
        })
}

/// Removes a row of the target that has no source row.
///
/// In two statements. A writer that brings the key back at this moment holds the orphan by its
/// upsert, or waits for us to let go of it; once we have its lock, the second statement's snapshot
/// sees what that writer committed. In one statement the snapshot would be older than the wait,
/// and the new row would be removed.
async fn remove_orphan(
    transaction: &Transaction,
    sides: &Sides,
    key: &Key,
) -> Result<Outcome, VerifyError> {
    if rule::holds("verify/lock-orphan") {
        let lock = rederive::lock_orphan_statement(&sides.mapping);
        if transaction.query_opt(&lock, &texts(key)).await?.is_none() {
            return Ok(Outcome::Unchanged);
        }
    }
    let remove = rederive::remove_orphan_statement(&sides.mapping);
    Ok(match transaction.execute(&remove, &texts(key)).await? {
        0 => Outcome::Unchanged,
        _ => Outcome::Removed,
    })
}
