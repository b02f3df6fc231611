//! What a comparison answered, and how it is asked.

use std::time::{Duration, Instant};

use crossfade_postgres::{Queries, rule};
use crossfade_state::Mismatch;
use tokio_postgres::types::Json;

use crate::error::VerifyError;
use crate::sides::Sides;
use crate::statement::Statement;

/// What a comparison has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Rows read on the source.
    pub(crate) source_rows: i64,
    /// Rows read on the target.
    pub(crate) target_rows: i64,
    /// Rows that the target lacks.
    pub(crate) missing: i64,
    /// Rows that the target has too many.
    pub(crate) extra: i64,
    /// All of them, and those of which columns differ.
    pub(crate) differences: i64,
    /// The first of them.
    pub(crate) mismatches: Vec<Mismatch>,
    /// Time of the statement.
    pub(crate) took: Duration,
}

impl Found {
    /// Rows on both sides of which columns differ.
    pub(crate) fn different(&self) -> i64 {
        self.differences - self.missing - self.extra
    }

    /// Adds what another comparison found; the mismatches and times apart.
    pub(crate) fn add(&mut self, other: &Self) {
        self.source_rows += other.source_rows;
        self.target_rows += other.target_rows;
        self.missing += other.missing;
        self.extra += other.extra;
        self.differences += other.differences;
    }
}

/// Runs a comparison; `limit` bounds the mismatches that are named.
pub(crate) async fn run(
    queries: &impl Queries,
    statement: &Statement,
    limit: u32,
) -> Result<Found, VerifyError> {
    let started = Instant::now();
    let limit = i64::from(limit);
    let row = queries
        .query_opt(&statement.sql, &statement.parameters(&limit))
        .await?;
    let row = row.expect("an aggregate without grouping returns one row");
    let Json(mismatches) = row.try_get("found")?;
    Ok(Found {
        source_rows: row.try_get("source_rows")?,
        target_rows: row.try_get("target_rows")?,
        missing: row.try_get("missing")?,
        extra: row.try_get("extra")?,
        differences: row.try_get("differences")?,
        mismatches,
        took: started.elapsed(),
    })
}

/// Compares an interval.
pub(crate) async fn interval(
    queries: &impl Queries,
    sides: &Sides,
    interval: &crate::Interval,
    limit: u32,
) -> Result<Found, VerifyError> {
    if rule::holds("verify/one-statement") {
        run(queries, &sides.chunk(interval), limit).await
    } else {
        two_snapshots(queries, sides, interval).await
    }
}

/// What must not be done: the sides in two statements, with writers in between.
async fn two_snapshots(
    queries: &impl Queries,
    sides: &Sides,
    interval: &crate::Interval,
) -> Result<Found, VerifyError> {
    let started = Instant::now();
    let (source, target) = sides.images(interval);
    let mut sets = Vec::new();
    for statement in [source, target] {
        let rows = queries
            .query(&statement.sql, &statement.parameters(&0))
            .await?;
        let images: Result<std::collections::HashSet<String>, _> =
            rows.iter().map(|row| row.try_get(0)).collect();
        sets.push((i64::try_from(rows.len()).unwrap_or(i64::MAX), images?));
    }
    let differences = sets[0].1.symmetric_difference(&sets[1].1).count();
    Ok(Found {
        source_rows: sets[0].0,
        target_rows: sets[1].0,
        differences: i64::try_from(differences).unwrap_or(i64::MAX),
        took: started.elapsed(),
        ..Found::default()
    })
}
