//! The report: what a verification has read, what it found, and what that proves.

use crossfade_state::{Direction, Mode, Verdict, VerificationId, VerificationResult};
use jiff::Timestamp;
use serde::Serialize;

use crate::compare::Found;

/// What a verification has found. Never a cell of a row.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Under which its intervals and mismatches are recorded.
    pub verification: VerificationId,
    /// What it proved.
    pub verdict: Verdict,
    /// How much it compared.
    pub mode: Mode,
    /// Which side follows which.
    pub direction: Direction,
    /// When it began; a verification that was gone on with began when its first run did.
    pub started_at: Timestamp,
    /// When this run of it ended.
    pub finished_at: Timestamp,
    /// `pg_current_snapshot()` at its start. Each chunk has a later one of its own.
    pub snapshot: String,
    /// Rows read on the source.
    pub source_rows: i64,
    /// Rows read on the target.
    pub target_rows: i64,
    /// Rows that are missing, different or extra.
    pub differences: i64,
    /// Rows that the target lacks, of those that this run counted or an earlier one recorded.
    pub missing: i64,
    /// Rows of which columns differ, counted likewise.
    pub different: i64,
    /// Rows that the target has too many, counted likewise.
    pub extra: i64,
    /// Columns of which only the presence was compared, since their values are volatile. All
    /// others were compared by their binary image, without any tolerance.
    pub presence_only: Vec<String>,
    /// Columns that were not compared.
    pub not_compared: Vec<NotCompared>,
    /// What a sample proves.
    pub bound: Option<Bound>,
    /// The plan's invariants.
    pub invariants: Vec<InvariantResult>,
    /// Why it proves nothing; empty unless the verdict is `inconclusive`.
    pub reasons: Vec<Reason>,
}

/// A column that has nothing to be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// Its name on the side that is proved.
    pub column: String,
    /// Why not.
    pub because: NotComparedBecause,
}

/// Why a column is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotComparedBecause {
    /// It is generated: the server computes it on each side.
    Generated,
    /// The other side has nothing that it is made of: it has its default.
    NoCounterpart,
    /// It is of the old side, after the cutover, whose values the way back need not give.
    Original,
}

/// What a sample without differences proves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bound {
    /// Rows drawn on the side on which fewer were.
    pub rows: u64,
    /// With 95 % confidence, no greater part of the rows differs (the rule of three).
    pub rate: f64,
}

impl Bound {
    /// `None` for no row.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sample is far smaller than 2^52"
    )]
    pub fn of(rows: u64) -> Option<Self> {
        (rows > 0).then(|| Self {
            rows,
            rate: (3.0 / rows as f64).min(1.0),
        })
    }
}

/// One of the plan's invariants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvariantResult {
    /// Its name in the plan.
    pub name: String,
    /// Rows that it returned, counted up to a limit: none is right.
    pub rows: Option<i64>,
    /// The SQLSTATE, where it could not be run.
    pub sqlstate: Option<String>,
}

/// Why nothing is proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// It was stopped; it can be gone on with.
    Stopped,
    /// No row was read though one of the sides has some.
    ReadNothing,
    /// The intervals do not cover every key.
    NotTiled,
    /// A row of the source has no image: evaluating it fails.
    Unmappable {
        /// With this SQLSTATE.
        sqlstate: String,
    },
    /// An invariant could not be run.
    InvariantFailed {
        /// Its name.
        name: String,
    },
}

impl Report {
    /// What [`Store::finish_verification`](crossfade_state::Store::finish_verification) records.
    /// A verification that was stopped must not be finished: it can be gone on with.
    pub fn result(&self) -> VerificationResult {
        VerificationResult {
            verdict: self.verdict,
            source_rows: self.source_rows,
            target_rows: self.target_rows,
            differences: self.differences,
            details: serde_json::json!({
                "missing": self.missing,
                "different": self.different,
                "extra": self.extra,
                "presence_only": self.presence_only,
                "not_compared": self.not_compared,
                "bound": self.bound,
                "invariants": self.invariants,
                "reasons": self.reasons,
            }),
        }
    }

    /// Whether it was stopped before its end.
    pub fn is_stopped(&self) -> bool {
        self.reasons.contains(&Reason::Stopped)
    }

    /// The verdict that counts, counted rows and invariants give. What differs is told even where
    /// nothing else is proved; `clean` is what it proves when nothing speaks against it.
    pub(crate) fn judge(&mut self, clean: Verdict) {
        for invariant in &self.invariants {
            if invariant.rows.is_none() {
                self.reasons.push(Reason::InvariantFailed {
                    name: invariant.name.clone(),
                });
            }
        }
        let violated = self
            .invariants
            .iter()
            .any(|invariant| invariant.rows.is_some_and(|rows| rows > 0));
        self.verdict = if self.differences > 0 || violated {
            Verdict::Mismatch
        } else if !self.reasons.is_empty() {
            Verdict::Inconclusive
        } else {
            clean
        };
        self.finished_at = Timestamp::now();
    }

    /// Takes over what was counted.
    pub(crate) fn count(&mut self, found: &Found) {
        self.source_rows += found.source_rows;
        self.target_rows += found.target_rows;
        self.differences += found.differences;
        self.missing += found.missing;
        self.different += found.different();
        self.extra += found.extra;
    }
}
