//! Verifications: which comparison proved what, and whether it still does.

use crossfade_postgres::{Queries, Transaction};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::{MigrationId, VerificationId};
use crate::store::{Store, only};

const BEGIN: &str = "\
    insert into {state}.verification (migration_id, mode, direction, snapshot) \
    values ($1, $2, $3, pg_catalog.pg_current_snapshot()::text) \
    returning id";

const FINISH: &str = "\
    update {state}.verification \
       set verdict = $2, source_rows = $3, target_rows = $4, differences = $5, details = $6, \
           finished_at = pg_catalog.clock_timestamp() \
     where id = $1 and valid and finished_at is null";

const COLUMNS: &str = "\
    select id, migration_id, mode, direction, verdict, valid, started_at, finished_at, snapshot, \
           source_rows, target_rows, differences, details \
      from {state}.verification";

const BY_ID: &str = " where id = $1";
const LATEST: &str = " where migration_id = $1 order by id desc limit 1";
const LATEST_FINISHED: &str = " where migration_id = $1 and finished_at is not null \
    order by id desc limit 1";
const UNFINISHED: &str = " where migration_id = $1 and mode = $2 and direction = $3 \
    and finished_at is null and valid order by id desc limit 1";

/// Defines an enum with the names under which its values are stored and printed.
macro_rules! stored {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$value_doc])* $value),+ }

        impl $name {
            /// The stored name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }

            /// Reads the stored name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$value),)+ _ => None }
            }
        }
    };
}
pub(crate) use stored;

stored! {
    /// How much is compared.
    Mode {
        /// Numbers of rows.
        Counts = "counts",
        /// Rows drawn at random.
        Sample = "sample",
        /// Every row.
        Full = "full",
    }
}

stored! {
    /// Which side follows which.
    Direction {
        /// The target follows the source: before cutover.
        Forward = "forward",
        /// The old side follows the new one: after cutover.
        Reverse = "reverse",
    }
}

stored! {
    /// What a comparison proved. Only [`Exact`](Self::Exact) opens the gate.
    Verdict {
        /// Every row was compared, and none differs.
        Exact = "exact",
        /// Every row went into equal hashes.
        Checksum = "checksum",
        /// No row of a sample differs.
        Sampled = "sampled",
        /// The numbers of rows are equal.
        Counted = "counted",
        /// It could not be told.
        Inconclusive = "inconclusive",
        /// Rows differ.
        Mismatch = "mismatch",
    }
}

/// A verification, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// Whose.
    pub migration: MigrationId,
    /// How much it compares.
    pub mode: Mode,
    /// Which side follows which.
    pub direction: Direction,
    /// Whether nothing came after its start that voids it.
    pub valid: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it did.
    pub finished_at: Option<Timestamp>,
    /// `pg_current_snapshot()` at its start.
    pub snapshot: String,
    /// What it proved; `None` while it has not ended.
    pub result: Option<VerificationResult>,
}

/// What a verification has found.
#[derive(Debug, Clone, PartialEq)]
pub struct VerificationResult {
    /// What it proved.
    pub verdict: Verdict,
    /// Rows read on the source.
    pub source_rows: i64,
    /// Rows read on the target.
    pub target_rows: i64,
    /// Rows that are missing, different or extra.
    pub differences: i64,
    /// Bound of a sample, columns left out, tolerances, invariants: never a cell of a row.
    pub details: Value,
}

impl Store {
    /// Records that a verification begins.
    pub async fn begin_verification(
        &self,
        on: &impl Queries,
        id: MigrationId,
        mode: Mode,
        direction: Direction,
    ) -> Result<VerificationId, StateError> {
        let row = on
            .query_opt(
                &self.sql(BEGIN),
                &[
                    (&id.0, Type::INT8),
                    (&mode.as_str(), Type::TEXT),
                    (&direction.as_str(), Type::TEXT),
                ],
            )
            .await?;
        let row = only(row);
        Ok(VerificationId(row.try_get("id")?))
    }

    /// Records what a verification found; the stage that follows belongs into the same
    /// transaction. [`StateError::VerificationVoided`] if it was voided since it began.
    pub async fn finish_verification(
        &self,
        transaction: &Transaction,
        migration: MigrationId,
        id: VerificationId,
        result: &VerificationResult,
    ) -> Result<(), StateError> {
        // In the order of `advance`, which locks the migration and then voids verifications: else
        // the two could wait for each other, or a voided proof be taken for a good one.
        self.lock_stage(transaction, migration).await?;
        let finished = transaction
            .execute(
                &self.sql(FINISH),
                &[
                    (&id.0, Type::INT8),
                    (&result.verdict.as_str(), Type::TEXT),
                    (&result.source_rows, Type::INT8),
                    (&result.target_rows, Type::INT8),
                    (&result.differences, Type::INT8),
                    (&result.details, Type::JSONB),
                ],
            )
            .await?;
        if finished == 0 {
            return Err(StateError::VerificationVoided {
                migration,
                verification: id,
            });
        }
        Ok(())
    }

    /// One verification.
    pub async fn verification(
        &self,
        on: &impl Queries,
        id: VerificationId,
    ) -> Result<Option<Verification>, StateError> {
        let sql = self.sql(&format!("{COLUMNS}{BY_ID}"));
        on.query_opt(&sql, &[(&id.0, Type::INT8)])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The verification of a migration that began last.
    pub async fn latest_verification(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Option<Verification>, StateError> {
        let sql = self.sql(&format!("{COLUMNS}{LATEST}"));
        on.query_opt(&sql, &[(&id.0, Type::INT8)])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The verification of a migration that began last, of those that have ended.
    pub async fn latest_finished_verification(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Option<Verification>, StateError> {
        let sql = self.sql(&format!("{COLUMNS}{LATEST_FINISHED}"));
        on.query_opt(&sql, &[(&id.0, Type::INT8)])
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// The verification of this kind that was cut off and can go on, if there is one.
    pub async fn unfinished_verification(
        &self,
        on: &impl Queries,
        id: MigrationId,
        mode: Mode,
        direction: Direction,
    ) -> Result<Option<Verification>, StateError> {
        let sql = self.sql(&format!("{COLUMNS}{UNFINISHED}"));
        let row = on
            .query_opt(
                &sql,
                &[
                    (&id.0, Type::INT8),
                    (&mode.as_str(), Type::TEXT),
                    (&direction.as_str(), Type::TEXT),
                ],
            )
            .await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &Row) -> Result<Verification, StateError> {
    let migration = MigrationId(row.try_get("migration_id")?);
    let unreadable = |what| StateError::Unreadable {
        what,
        migration,
        source: None,
    };
    let verdict = match row.try_get::<_, Option<&str>>("verdict")? {
        None => None,
        Some(name) => Some(Verdict::from_name(name).ok_or_else(|| unreadable("the verdict"))?),
    };
    let result = match verdict {
        None => None,
        Some(verdict) => Some(VerificationResult {
            verdict,
            source_rows: row.try_get("source_rows")?,
            target_rows: row.try_get("target_rows")?,
            differences: row.try_get("differences")?,
            details: row.try_get("details")?,
        }),
    };
    Ok(Verification {
        id: VerificationId(row.try_get("id")?),
        migration,
        mode: Mode::from_name(row.try_get("mode")?).ok_or_else(|| unreadable("the mode"))?,
        direction: Direction::from_name(row.try_get("direction")?)
            .ok_or_else(|| unreadable("the direction"))?,
        valid: row.try_get("valid")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        snapshot: row.try_get("snapshot")?,
        result,
    })
}
