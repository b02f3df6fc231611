//! The sample: rows drawn at random from both sides.

use std::collections::HashSet;

use crossfade_dual_write::sql;
use crossfade_plan::file::Invariant;
use crossfade_postgres::Joins;
use crossfade_state::{Mismatch, MismatchKind, Mode, Verdict};

use crate::compare::Found;
use crate::draw::{Draws, Extent};
use crate::error::VerifyError;
use crate::job::{Job, recording};
use crate::pace::{Compared, Pace, Permission};
use crate::report::{Bound, Reason, Report};
use crate::sides::Sides;
use crate::statement::{Join, Statement};

/// Places that are drawn at most for each row of the sample: a table of wide rows, or a bloated
/// one, has a row at few of them.
const PLACES_PER_ROW: u64 = 2000;
/// Places in one statement.
const BATCH: u64 = 5000;
/// The same where each statement reads the whole source.
const LARGE_BATCH: u64 = 200_000;

/// From which side rows are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Source,
    Target,
}

impl<P: Pace> Job<P> {
    /// Draws `size` rows from each side and compares them. The seed decides which places are
    /// drawn.
    pub async fn sample(
        &self,
        size: u64,
        seed: u64,
        invariants: &[Invariant],
        search_path: &str,
    ) -> Result<Report, VerifyError> {
        let sides = self.sides().await?;
        let mut report = self.begin(&sides, Mode::Sample).await?;
        let mut mismatches: Vec<Mismatch> = Vec::new();
        for from in [From::Source, From::Target] {
            let seed = seed.wrapping_add(u64::from(from == From::Target));
            // Dropping it cancels what is under way.
            let drawn = tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                drawn = Box::pin(self.draw(&sides, from, size, seed)) => drawn?,
            };
            let Some(found) = drawn else {
                report.reasons.push(Reason::Stopped);
                break;
            };
            match from {
                From::Source => report.source_rows = found.source_rows,
                From::Target => report.target_rows = found.target_rows,
            }
            mismatches.extend(found.mismatches);
        }
        self.count_once(&mut report, mismatches).await?;
        let fewer = report.source_rows.min(report.target_rows);
        report.bound = Bound::of(u64::try_from(fewer).unwrap_or(0));
        if fewer == 0 && !report.is_stopped() {
            let transaction = self.begin_reading().await?;
            let empty = sides.are_empty(&transaction).await?;
            transaction.rollback().await?;
            if !empty {
                report.reasons.push(Reason::ReadNothing);
            }
        }
        self.check_invariants(&mut report, invariants, search_path)
            .await?;
        report.judge(Verdict::Sampled);
        Ok(report)
    }

    /// Counts and records what was found; a row drawn from both sides once.
    async fn count_once(
        &self,
        report: &mut Report,
        mut mismatches: Vec<Mismatch>,
    ) -> Result<(), VerifyError> {
        let mut seen = HashSet::new();
        mismatches.retain(|one| seen.insert((one.kind.as_str(), one.key.clone())));
        for mismatch in &mismatches {
            report.differences += 1;
            *match mismatch.kind {
                MismatchKind::Missing => &mut report.missing,
                MismatchKind::Different => &mut report.different,
                MismatchKind::Extra => &mut report.extra,
            } += 1;
        }
        if !mismatches.is_empty() {
            let transaction = self
                .store
                .begin_fenced(&self.lease, &self.tag("verify"), &recording())
                .await?;
            self.store
                .add_mismatches(&transaction, report.verification, &mismatches)
                .await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Draws rows of one side and compares each with its partner, both in one statement. `None`
    /// if it was told to stop.
    async fn draw(
        &self,
        sides: &Sides,
        from: From,
        size: u64,
        seed: u64,
    ) -> Result<Option<Found>, VerifyError> {
        let (table, probed) = match from {
            From::Source => (&sides.mapping.source, true),
            From::Target => (&sides.mapping.target, sides.probes_source()),
        };
        // The other side is looked up by its key; where no index can do that, it is read once for
        // each statement, and the statements are few.
        let (joins, timeout, batch) = if probed {
            (Joins::NestedLoop, self.settings.chunk_timeout, BATCH)
        } else {
            (Joins::Any, self.settings.table_timeout, LARGE_BATCH)
        };
        let transaction = self.begin_reading().await?;
        let extent = Extent::read(&transaction, table).await?;
        transaction.rollback().await?;
        let mut draws = Draws::new(seed);
        let mut sum = Found::default();
        let mut read = 0;
        while read < size && draws.count() < size.saturating_mul(PLACES_PER_ROW) {
            if self.pace.ready().await == Permission::Stop {
                return Ok(None);
            }
            // As many as the places so far let expect to be enough.
            let hit_one_in = draws.count().checked_div(read).unwrap_or(4).max(1);
            let Some(places) = draws.next(
                extent,
                (size - read).saturating_mul(hit_one_in).clamp(200, batch),
            ) else {
                break;
            };
            let statement = drawn(sides, from, &places);
            let found = self.compare(&statement, joins, timeout).await?;
            sum.add(&found);
            let rows = match from {
                From::Source => sum.source_rows,
                From::Target => sum.target_rows,
            };
            read = u64::try_from(rows).unwrap_or(0);
            self.pace.compared(&Compared::from(&found));
            sum.mismatches.extend(found.mismatches);
        }
        Ok(Some(sum))
    }
}

/// Compares the rows at some places of one side with their partners.
fn drawn(sides: &Sides, from: From, places: &str) -> Statement {
    let mut statement = Statement::new(String::new());
    let places = statement.text(places);
    let at = |alias: &str| {
        vec![format!(
            "{alias}.ctid = any ({places}::text::pg_catalog.tid[])"
        )]
    };
    statement.sql = match from {
        From::Source => sides.comparison(Join::Source, &at(sql::SOURCE_ALIAS), &[]),
        From::Target => sides.comparison(Join::Target, &[], &at(sql::TARGET_ALIAS)),
    };
    statement
}
