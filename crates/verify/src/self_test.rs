//! The self-test: a comparison that cannot fail proves nothing, so it is shown a difference.

use crossfade_dual_write::sql;
use crossfade_postgres::{ErrorClass, Queries, Transaction, TransactionSettings, retry};
use crossfade_state::MismatchKind;
use serde::Serialize;
use tokio_postgres::types::Type;

use crate::compare::{self, Found};
use crate::draw::{Draws, Extent};
use crate::error::VerifyError;
use crate::interval::{Interval, Key};
use crate::job::Job;
use crate::key::texts;
use crate::read::settled;
use crate::sides::Sides;

/// What the self-test has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum SelfTest {
    /// One row of the target was changed, and the comparison named it.
    Passed {
        /// What was done to the row: `missing` for one that was taken out.
        change: MismatchKind,
        /// The column that was set to NULL.
        column: Option<String>,
    },
    /// There was nothing to show it: the table is empty, or the row differs already.
    Inconclusive {
        /// Why.
        reason: Unshown,
    },
}

/// Why the comparison could not be shown a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unshown {
    /// The source has no rows.
    Empty,
    /// The sides differ where it was to be shown.
    DiffersAlready,
    /// The target allows no change of the row.
    Unchangeable,
}

struct Change {
    kind: MismatchKind,
    column: Option<String>,
}

impl<P: Sync> Job<P> {
    /// Changes one random row of the target, compares, and rolls back. Always rolls back.
    ///
    /// [`VerifyError::SelfTestFailed`] if the comparison does not report exactly that row.
    pub async fn self_test(&self, seed: u64) -> Result<SelfTest, VerifyError> {
        let sides = self.sides().await?;
        let outcome = retry(
            self.settings.retry,
            || self.self_test_once(&sides, seed),
            VerifyError::passes,
            |error, pause| tracing::debug!(error = %error, ?pause, "the self-test is run again"),
        )
        .await;
        settled(outcome)
    }

    async fn self_test_once(&self, sides: &Sides, seed: u64) -> Result<SelfTest, VerifyError> {
        let settings = TransactionSettings {
            lock_timeout: self.settings.lock_timeout,
            statement_timeout: Some(self.settings.chunk_timeout),
            ..TransactionSettings::default()
        };
        let transaction = self
            .store
            .database()
            .begin(&self.tag("self-test"), &settings)
            .await?;
        // Not committed whatever comes: an error drops the transaction, which rolls back too.
        let shown = show(&transaction, sides, seed, self.settings.mismatches).await?;
        transaction.rollback().await?;
        Ok(shown)
    }
}

async fn show(
    transaction: &Transaction,
    sides: &Sides,
    seed: u64,
    limit: u32,
) -> Result<SelfTest, VerifyError> {
    let inconclusive = |reason| Ok(SelfTest::Inconclusive { reason });
    let Some(key) = random_key(transaction, sides, seed).await? else {
        return inconclusive(Unshown::Empty);
    };
    let from = Interval {
        lower: Some(key.clone()),
        upper: None,
    };
    let around = Interval {
        upper: key_at(transaction, sides, &from, 1).await?,
        ..from
    };
    if compare::interval(transaction, sides, &around, limit)
        .await?
        .differences
        > 0
    {
        return inconclusive(Unshown::DiffersAlready);
    }
    let target_key = sides.target_key_of(transaction, &key).await?;
    let Some(change) = change(transaction, sides, &target_key).await? else {
        return inconclusive(Unshown::Unchangeable);
    };
    let found = compare::interval(transaction, sides, &around, limit).await?;
    if !names(&found, &key, &change) {
        return Err(VerifyError::SelfTestFailed {
            found: found.differences,
        });
    }
    Ok(SelfTest::Passed {
        change: change.kind,
        column: change.column,
    })
}

fn names(found: &Found, key: &Key, change: &Change) -> bool {
    let [only] = &found.mismatches[..] else {
        return false;
    };
    let columns: Vec<String> = change.column.iter().cloned().collect();
    found.differences == 1
        && only.key == *key
        && only.kind == change.kind
        && only.columns == columns
}

/// A random key of the source; the first one where a few thousand places have no row.
async fn random_key(
    transaction: &Transaction,
    sides: &Sides,
    seed: u64,
) -> Result<Option<Key>, VerifyError> {
    let extent = Extent::read(transaction, &sides.mapping.source).await?;
    let sql = format!(
        "select {} as key from {} where {}.ctid = any ($1::text::pg_catalog.tid[]) limit 1",
        sql::key_text(&sides.mapping.key, sql::SOURCE_ALIAS),
        sql::only(&sides.mapping.source, sql::SOURCE_ALIAS),
        sql::SOURCE_ALIAS,
    );
    if let Some(places) = Draws::new(seed).next(extent, 3000)
        && let Some(row) = transaction
            .query_opt(&sql, &[(&places, Type::TEXT)])
            .await?
    {
        return Ok(Some(row.try_get("key")?));
    }
    key_at(transaction, sides, &Interval::ALL, 0).await
}

/// The key of the source at this place of an interval, counted from 0.
async fn key_at(
    transaction: &Transaction,
    sides: &Sides,
    interval: &Interval,
    place: i64,
) -> Result<Option<Key>, VerifyError> {
    let statement = sides.boundary(interval);
    let row = transaction
        .query_opt(&statement.sql, &statement.parameters(&place))
        .await?;
    Ok(row.map(|row| row.try_get("key")).transpose()?)
}

/// Sets a column of the row to NULL, or takes the row out where no column can be; `None` where the
/// target allows neither.
async fn change(
    transaction: &Transaction,
    sides: &Sides,
    key: &Key,
) -> Result<Option<Change>, VerifyError> {
    let target = sql::only(&sides.mapping.target, sql::TARGET_ALIAS);
    let condition = sides.target_has_key();
    for place in &sides.nullable {
        let column = &sides.mapping.forward[*place].column;
        let update = format!(
            "update {target} set {column} = null where {condition} and {}.{column} is not null",
            sql::TARGET_ALIAS
        );
        if attempt(transaction, &update, key).await? {
            return Ok(Some(Change {
                kind: MismatchKind::Different,
                column: Some(column.as_str().to_owned()),
            }));
        }
    }
    let delete = format!("delete from {target} where {condition}");
    Ok(attempt(transaction, &delete, key).await?.then_some(Change {
        kind: MismatchKind::Missing,
        column: None,
    }))
}

/// Whether a statement changed a row; a constraint may forbid it, which is no failure.
async fn attempt(transaction: &Transaction, sql: &str, key: &Key) -> Result<bool, VerifyError> {
    transaction.batch("savepoint self_test").await?;
    match transaction.execute(sql, &texts(key)).await {
        Ok(rows) => Ok(rows > 0),
        Err(error) if error.class() == ErrorClass::Row => {
            transaction.batch("rollback to savepoint self_test").await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
