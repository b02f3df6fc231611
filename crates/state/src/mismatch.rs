//! Mismatches: rows that a verification found to differ, by key and names of columns.

use crossfade_postgres::{Queries, Transaction};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::{Json, Type};

use crate::error::StateError;
use crate::id::VerificationId;
use crate::store::Store;
use crate::verification::stored;

/// One statement for all mismatches of a chunk: a key has a number of columns of its own, and an
/// array of arrays would have to be rectangular.
const INSERT: &str = "\
    insert into {state}.mismatch (verification_id, kind, key, columns) \
    select $1, m ->> 'kind', \
           array(select k.value from pg_catalog.jsonb_array_elements_text(m -> 'key') \
                   with ordinality k (value, place) order by k.place), \
           array(select c.value from pg_catalog.jsonb_array_elements_text(m -> 'columns') \
                   with ordinality c (value, place) order by c.place) \
      from pg_catalog.jsonb_array_elements($2) m";

const LIST: &str = "\
    select kind, key, columns from {state}.mismatch \
     where verification_id = $1 order by id limit $2";

stored! {
    /// In which way the sides differ.
    MismatchKind {
        /// The target lacks the row.
        Missing = "missing",
        /// Columns of the row differ.
        Different = "different",
        /// The source has no such row.
        Extra = "extra",
    }
}

/// One row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// In which way.
    pub kind: MismatchKind,
    /// The key's columns as text.
    pub key: Vec<String>,
    /// Columns of the target that differ; empty for missing and extra rows.
    pub columns: Vec<String>,
}

impl Store {
    /// Records mismatches, in the transaction that records their interval.
    pub async fn add_mismatches(
        &self,
        transaction: &Transaction,
        id: VerificationId,
        mismatches: &[Mismatch],
    ) -> Result<(), StateError> {
        if mismatches.is_empty() {
            return Ok(());
        }
        transaction
            .execute(
                &self.sql(INSERT),
                &[(&id.0, Type::INT8), (&Json(mismatches), Type::JSONB)],
            )
            .await?;
        Ok(())
    }

    /// The first `limit` mismatches of a verification.
    pub async fn mismatches(
        &self,
        on: &impl Queries,
        id: VerificationId,
        limit: u32,
    ) -> Result<Vec<Mismatch>, StateError> {
        let rows = on
            .query(
                &self.sql(LIST),
                &[(&id.0, Type::INT8), (&i64::from(limit), Type::INT8)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let kind: &str = row.try_get("kind")?;
                Ok(Mismatch {
                    // The column's check allows no other name.
                    kind: MismatchKind::from_name(kind).unwrap_or(MismatchKind::Different),
                    key: row.try_get("key")?,
                    columns: row.try_get("columns")?,
                })
            })
            .collect()
    }
}
