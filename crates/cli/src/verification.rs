//! What a verification found, for people and for programs. Keys and names of columns, never
//! another value of a row.

use std::collections::BTreeMap;

use crossfade_engine::VerifyEnd;
use crossfade_observe::quantity;
use crossfade_plan::{MigrationName, Stage};
use crossfade_state::{Mismatch, MismatchKind, Verdict};
use crossfade_verify::{NotComparedBecause, Reason, RepairReport, Report, SelfTest, Unshown};
use serde::Serialize;

use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::output;
use crate::work::{End, Ended, Subject, Tally};

/// Rows that are listed; the state's table `mismatch` has all.
const LISTED: u32 = 20;

/// A verification that has come to its end.
#[derive(Debug, Serialize)]
pub(crate) struct Verification<'a> {
    name: &'a MigrationName,
    end: End,
    stage: Stage,
    /// Where random choices began.
    seed: u64,
    #[serde(flatten)]
    report: Option<&'a Report>,
    /// The columns of the key, in the order of the keys below.
    key_columns: Vec<&'a str>,
    /// The first rows that differ.
    mismatches: Vec<Mismatch>,
    repaired: Option<&'a RepairReport>,
    self_test: Option<&'a SelfTest>,
    #[serde(flatten)]
    tally: &'a Tally,
    next: Option<&'a str>,
}

impl<'a> Verification<'a> {
    /// Reads what is to be shown beside the report.
    pub(crate) async fn read<T>(
        ended: &'a Ended<T>,
        end: &'a VerifyEnd,
        subject: &'a Subject,
        seed: u64,
    ) -> Result<Self, Failure> {
        let (report, repaired, self_test) = match end {
            VerifyEnd::Done { report, repaired } => (Some(&**report), repaired.as_ref(), None),
            VerifyEnd::SelfTest(test) => (None, None, Some(test)),
            VerifyEnd::Stopped => (None, None, None),
        };
        let mismatches = match report {
            Some(report) if report.differences > 0 => {
                let list = async || {
                    let session = ended.store.session("verify").await?;
                    let id = report.verification;
                    Ok(ended.store.mismatches(&session, id, LISTED).await?)
                };
                ended.patience.keep_trying(list).await?
            }
            _ => Vec::new(),
        };
        let plan = subject
            .registered
            .as_ref()
            .map(|registered| &registered.plan);
        let key = plan.map_or(&[][..], |plan| &plan.mapping.key);
        let proved = match (report, self_test) {
            (Some(report), _) => {
                !matches!(report.verdict, Verdict::Mismatch | Verdict::Inconclusive)
            }
            (None, test) => matches!(test, Some(SelfTest::Passed { .. })),
        };
        Ok(Self {
            name: &ended.view.name,
            end: if proved { End::Reached } else { End::NotProved },
            stage: ended.view.stage,
            seed,
            report,
            key_columns: key.iter().map(|column| column.source.as_str()).collect(),
            mismatches,
            repaired,
            self_test,
            tally: &ended.tally,
            next: ended.view.next.as_deref(),
        })
    }

    /// How the command ends.
    pub(crate) fn exit(&self) -> Result<Exit, Failure> {
        let name = self.name;
        if let Some(SelfTest::Inconclusive { reason }) = self.self_test {
            let message = format!("the comparison could not be tested: {}", unshown(*reason));
            return Err(Failure::new(Code::Inconclusive, message));
        }
        let Some(report) = self.report else {
            return Ok(Exit::Done);
        };
        match report.verdict {
            Verdict::Mismatch if report.differences > 0 => Err(Failure::new(
                Code::Mismatch,
                match report.differences {
                    1 => format!("1 row of {name} differs"),
                    more => format!("{} rows of {name} differ", rows(more)),
                },
            )
            .next(format!(
                "Find out who wrote them past the triggers; `crossfade verify {name} --repair` \
                 makes the target follow the source again."
            ))),
            Verdict::Mismatch => Err(Failure::new(
                Code::Mismatch,
                format!("an invariant of the plan of {name} returns rows"),
            )
            .next("Mend those rows, or correct the invariant, and verify again.")),
            Verdict::Inconclusive => Err(report.reasons.iter().fold(
                Failure::new(Code::Inconclusive, "the verification proves nothing"),
                |failure, because| failure.also(reason(because)),
            )),
            Verdict::Exact | Verdict::Checksum | Verdict::Sampled | Verdict::Counted => {
                Ok(Exit::Done)
            }
        }
    }

    /// Lines of `label  value`.
    pub(crate) fn text(&self) -> String {
        let mut lines = Lines::default();
        lines.add("migration", format!("{} ({})", self.name, self.stage));
        if let Some(test) = self.self_test {
            lines.add("self-test", self_test_text(test));
        }
        if let Some(report) = self.report {
            self.report_lines(report, &mut lines);
        }
        if let Some(repaired) = self.repaired {
            lines.add("repaired", repaired_text(repaired));
        }
        if let Some(next) = self.next {
            lines.add("next", next);
        }
        lines.0.join("\n")
    }

    fn report_lines(&self, report: &Report, lines: &mut Lines) {
        lines.add("verdict", report.verdict.as_str().to_uppercase());
        lines.add(
            "rows",
            format!(
                "{} on the source, {} on the target",
                rows(report.source_rows),
                rows(report.target_rows)
            ),
        );
        if report.differences > 0 {
            lines.add(
                "differences",
                format!(
                    "{}: {} missing, {} different, {} extra",
                    rows(report.differences),
                    rows(report.missing),
                    rows(report.different),
                    rows(report.extra)
                ),
            );
        }
        if let Some(bound) = report.bound.filter(|_| report.differences == 0) {
            let text = format!(
                "of {} rows none differs: with 95 % confidence at most {:.3} % of all do (seed {})",
                bound.rows,
                bound.rate * 100.0,
                self.seed
            );
            lines.add("bound", text);
        }
        if !report.presence_only.is_empty() {
            let text = format!("{} (volatile)", report.presence_only.join(", "));
            lines.add("presence", text);
        }
        for left in &report.not_compared {
            let because = match left.because {
                NotComparedBecause::Generated => "generated: computed by the server on each side",
                NotComparedBecause::NoCounterpart => "nothing of the other side makes it",
                NotComparedBecause::Original => {
                    "the old side's own values, which the way back need not give"
                }
            };
            lines.add("uncompared", format!("{} ({because})", left.column));
        }
        for invariant in &report.invariants {
            let found = match (invariant.rows, &invariant.sqlstate) {
                (Some(0), _) => "holds".to_owned(),
                (Some(1), _) => "returns 1 row".to_owned(),
                (Some(rows), _) => format!("returns {rows} rows"),
                (None, Some(state)) => format!("cannot be run (SQLSTATE {state})"),
                (None, None) => "was not run".to_owned(),
            };
            lines.add("invariant", format!("{} {found}", invariant.name));
        }
        for because in &report.reasons {
            lines.add("reason", reason(because));
        }
        self.mismatch_lines(report, lines);
    }

    fn mismatch_lines(&self, report: &Report, lines: &mut Lines) {
        for mismatch in &self.mismatches {
            let key = self.key_columns.iter().zip(&mismatch.key);
            let key: Vec<String> = key.map(|(name, value)| format!("{name} {value}")).collect();
            let columns = match mismatch.kind {
                MismatchKind::Different => format!(": {}", mismatch.columns.join(", ")),
                MismatchKind::Missing | MismatchKind::Extra => String::new(),
            };
            lines.add(mismatch.kind.as_str(), key.join(", ") + &columns);
        }
        let listed = i64::try_from(self.mismatches.len()).unwrap_or(i64::MAX);
        let more = report.differences.saturating_sub(listed);
        if more > 0 && listed > 0 {
            lines.add(
                "",
                format!("and {} more, in the state's table mismatch", rows(more)),
            );
        }
    }
}

/// A number of rows, which is never negative.
fn rows(number: i64) -> String {
    quantity::count(number.unsigned_abs())
}

/// Lines that fit the width.
#[derive(Debug, Default)]
struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, label: &str, value: impl Into<String>) {
        self.0.push(output::labelled(label, &value.into()));
    }
}

fn self_test_text(test: &SelfTest) -> String {
    match test {
        SelfTest::Passed { change, column } => {
            let shown = match (change, column) {
                (MismatchKind::Different, Some(column)) => {
                    format!("a row of which {column} was changed")
                }
                (MismatchKind::Different, None) => "a row that was changed".to_owned(),
                (MismatchKind::Missing, _) => "a row that was taken out".to_owned(),
                (MismatchKind::Extra, _) => "a row that was put in".to_owned(),
            };
            format!("passed: the comparison found {shown}")
        }
        SelfTest::Inconclusive { reason } => format!("inconclusive: {}", unshown(*reason)),
    }
}

fn unshown(reason: Unshown) -> &'static str {
    match reason {
        Unshown::Empty => "the source has no rows",
        Unshown::DiffersAlready => "the sides differ where it was to be shown",
        Unshown::Unchangeable => "the target allows no change of the row",
    }
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Stopped => "it was stopped".to_owned(),
        Reason::ReadNothing => "no row was read, though one of the sides has some".to_owned(),
        Reason::NotTiled => "what was compared does not cover every key".to_owned(),
        Reason::Unmappable { sqlstate } => {
            format!("a row of the source has no image (SQLSTATE {sqlstate})")
        }
        Reason::InvariantFailed { name } => format!("the invariant {name} could not be run"),
    }
}

fn repaired_text(repaired: &RepairReport) -> String {
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, sqlstate) in &repaired.refused {
        *refused.entry(sqlstate).or_default() += 1;
    }
    let mut parts = vec![
        format!("{} made what the source says", repaired.rederived),
        format!("{} removed", repaired.removed),
    ];
    if repaired.unchanged > 0 {
        parts.push(format!("{} needed nothing any more", repaired.unchanged));
    }
    for (sqlstate, rows) in refused {
        parts.push(format!(
            "{rows} refused by the target (SQLSTATE {sqlstate})"
        ));
    }
    parts.join(", ")
}
