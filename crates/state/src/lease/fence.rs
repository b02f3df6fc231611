//! The fence: a transaction proves the lease before it writes, and keeps it until it ends.

use crossfade_postgres::{Queries, Transaction, TransactionSettings, rule};
use tokio_postgres::types::Type;

use super::Lease;
use crate::error::StateError;
use crate::store::Store;

/// [`KEEP`] lets heartbeats and other workers pass and makes a takeover wait. An expired
/// lease counts as lost: were it enough that nobody has taken it, the workers of a dead heartbeat
/// could keep a takeover waiting for ever, since its locks never queue behind it.
const CHECK: &str = "\
    select 1 from {state}.lease \
     where migration_id = $1 and epoch = $2 and owner = $3 \
       and expires_at > pg_catalog.clock_timestamp()";
/// The part of [`CHECK`] that makes a takeover wait.
const KEEP: &str = " for key share";

impl Store {
    /// Opens a transaction that can only commit under this lease: the one way to open one that
    /// writes for a migration.
    pub async fn begin_fenced(
        &self,
        lease: &Lease,
        tag: &str,
        settings: &TransactionSettings,
    ) -> Result<Transaction, StateError> {
        let transaction = self.database().begin(tag, settings).await?;
        match self.check_lease(&transaction, lease).await {
            Ok(()) => Ok(transaction),
            Err(error) => {
                transaction.abandon().await;
                Err(error)
            }
        }
    }

    /// Proves that the lease is ours, and keeps it from being taken over until the transaction
    /// ends. [`StateError::FencedOut`] where it is not.
    pub async fn check_lease(
        &self,
        transaction: &Transaction,
        lease: &Lease,
    ) -> Result<(), StateError> {
        if !rule::holds("state/fence") {
            return Ok(());
        }
        let keep = if rule::holds("state/takeover-waits") {
            KEEP
        } else {
            ""
        };
        let row = transaction
            .query_opt(
                &self.sql(&format!("{CHECK}{keep}")),
                &[
                    (&lease.migration.0, Type::INT8),
                    (&lease.epoch.0, Type::INT8),
                    (&lease.owner.to_string(), Type::TEXT),
                ],
            )
            .await?;
        row.map(|_| ()).ok_or_else(|| lease.fenced_out())
    }
}
