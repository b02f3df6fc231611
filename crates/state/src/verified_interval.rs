//! Verified intervals: which part of the key space a verification has compared.

use crossfade_postgres::{Queries, Transaction};
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::{MigrationId, VerificationId};
use crate::store::Store;
use crate::verification::stored;

use serde::{Deserialize, Serialize};

/// The lock keeps out `advance`, which voids a verification: only what is still valid is recorded.
const INSERT: &str = "\
    insert into {state}.verified_interval \
           (verification_id, side, lower_key, upper_key, source_rows, target_rows, differences) \
    select id, $2, $3, $4, $5, $6, $7 from {state}.verification \
     where id = $1 and valid and finished_at is null \
       for share";

const LIST: &str = "\
    select side, lower_key, upper_key, source_rows, target_rows, differences \
      from {state}.verified_interval where verification_id = $1 order by id";

stored! {
    /// Whose key the bounds of an interval are of.
    Side {
        /// One interval holds the same rows on both sides.
        Both = "both",
        /// The source's.
        Source = "source",
        /// The target's.
        Target = "target",
    }
}

/// A half-open interval of keys that was compared. A bound is the key's columns as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedInterval {
    /// Whose key the bounds are of.
    pub side: Side,
    /// First key, inclusive; `None` for no lower bound.
    pub lower: Option<Vec<String>>,
    /// The key before which it ends; `None` for no upper bound.
    pub upper: Option<Vec<String>>,
    /// Rows read on the source.
    pub source_rows: i64,
    /// Rows read on the target.
    pub target_rows: i64,
    /// Rows that are missing, different or extra.
    pub differences: i64,
}

impl Store {
    /// Records that an interval was compared, with the mismatches that it had in the same
    /// transaction. [`StateError::VerificationVoided`] if the verification was voided meanwhile.
    pub async fn add_interval(
        &self,
        transaction: &Transaction,
        migration: MigrationId,
        id: VerificationId,
        interval: &VerifiedInterval,
    ) -> Result<(), StateError> {
        let inserted = transaction
            .execute(
                &self.sql(INSERT),
                &[
                    (&id.0, Type::INT8),
                    (&interval.side.as_str(), Type::TEXT),
                    (&interval.lower, Type::TEXT_ARRAY),
                    (&interval.upper, Type::TEXT_ARRAY),
                    (&interval.source_rows, Type::INT8),
                    (&interval.target_rows, Type::INT8),
                    (&interval.differences, Type::INT8),
                ],
            )
            .await?;
        if inserted == 0 {
            return Err(StateError::VerificationVoided {
                migration,
                verification: id,
            });
        }
        Ok(())
    }

    /// The intervals that a verification has compared, in the order in which it did.
    pub async fn intervals(
        &self,
        on: &impl Queries,
        id: VerificationId,
    ) -> Result<Vec<VerifiedInterval>, StateError> {
        let rows = on.query(&self.sql(LIST), &[(&id.0, Type::INT8)]).await?;
        rows.iter()
            .map(|row| {
                let side: &str = row.try_get("side")?;
                Ok(VerifiedInterval {
                    // The column's check allows no other name.
                    side: Side::from_name(side).unwrap_or(Side::Both),
                    lower: row.try_get("lower_key")?,
                    upper: row.try_get("upper_key")?,
                    source_rows: row.try_get("source_rows")?,
                    target_rows: row.try_get("target_rows")?,
                    differences: row.try_get("differences")?,
                })
            })
            .collect()
    }
}
