//! The bars: what the project has promised, and whether this run reached it.

use serde::Serialize;

use crate::arguments::Part;
use crate::copy::{self, ON_CONFLICT, ONE_INSERT, OURS_1, OURS_2};
use crate::cutover;
use crate::dual_write::{self, COMPUTED, COPIED, EXPANDED, MAY_FAIL, NONE};
use crate::recorder::{Recorder, Subject};
use crate::verify::{JOIN, JOIN_IN_MEMORY};

/// The time that a chunk should take, by default.
const CHUNK_TARGET_MS: f64 = 50.0;

/// A promise, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    /// What is compared, on how many rows.
    pub(crate) name: String,
    /// The bound.
    pub(crate) wanted: Bound,
    /// What was measured.
    pub(crate) figure: f64,
    /// Whether it is within the bound.
    pub(crate) met: bool,
}

/// A bound of a figure.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// Not less.
    AtLeast(f64),
    /// Less.
    Under(f64),
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::Under(bound) => write!(f, "under {bound}"),
        }
    }
}

/// The bars for which there are figures. `sizes` are the table's, smallest first.
pub(crate) fn bars(recorder: &Recorder, sizes: &[u32], loaded: u32, swapped: u32) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut add = |name: String, wanted: Bound, figure: Option<f64>| {
        if let Some(figure) = figure {
            let met = match wanted {
                Bound::AtLeast(bound) => figure >= bound,
                Bound::Under(bound) => figure < bound,
            };
            bars.push(Bar {
                name,
                wanted,
                figure,
                met,
            });
        }
    };
    for rows in sizes {
        let median = |part, contender, measure| {
            let subject = Subject {
                part,
                rows: *rows,
                contender,
            };
            recorder.median(subject, measure)
        };
        let rate = |part, contender| median(part, contender, copy::RATE);
        add(
            format!("copy of {rows} rows, 2 workers, to one INSERT ... ON CONFLICT DO NOTHING"),
            Bound::AtLeast(1.3),
            ratio(rate(Part::Copy, OURS_2), rate(Part::Copy, ON_CONFLICT)),
        );
        for contender in [OURS_1, OURS_2] {
            add(
                format!("p99 of a chunk, {rows} rows, {contender}, in ms"),
                Bound::Under(2.0 * CHUNK_TARGET_MS),
                median(Part::Chunk, contender, copy::P99),
            );
        }
        // Against the better of both: the limit is what the server can do.
        let joins = [JOIN, JOIN_IN_MEMORY].map(|join| rate(Part::Verify, join));
        let join = joins.into_iter().flatten().max_by(f64::total_cmp);
        add(
            format!("full verification of {rows} rows, 2 workers, to the better full join"),
            Bound::AtLeast(0.8),
            ratio(rate(Part::Verify, OURS_2), join),
        );
    }
    let tps = |contender| {
        let subject = Subject {
            part: Part::DualWrite,
            rows: loaded,
            contender,
        };
        recorder.median(subject, dual_write::RATE)
    };
    for contender in [EXPANDED, COPIED, COMPUTED, MAY_FAIL] {
        add(
            format!("application's transactions, {contender}, to none"),
            Bound::AtLeast(0.72),
            ratio(tps(contender), tps(NONE)),
        );
    }
    for contender in cutover::CONTENDERS {
        let subject = Subject {
            part: Part::Cutover,
            rows: swapped,
            contender,
        };
        add(
            format!("locks of the {contender}, the longest, in ms"),
            Bound::Under(50.0),
            recorder.greatest(subject, cutover::HELD),
        );
    }
    bars
}

/// How the cost of a row grows from the smallest table to the largest: 1 is not at all.
#[derive(Debug, Serialize)]
pub(crate) struct Growth {
    /// In which part.
    pub(crate) part: Part,
    /// Whose.
    pub(crate) contender: &'static str,
    /// How many times as large the largest table is.
    pub(crate) table: f64,
    /// How many times as much a row costs there.
    pub(crate) cost: f64,
}

/// The growth of all that was measured on more than one size.
pub(crate) fn growth(recorder: &Recorder, sizes: &[u32]) -> Vec<Growth> {
    let ([smallest, .., largest], true) = (sizes, sizes.len() > 1) else {
        return Vec::new();
    };
    let subjects = [
        (Part::Copy, ONE_INSERT),
        (Part::Copy, ON_CONFLICT),
        (Part::Copy, OURS_1),
        (Part::Copy, OURS_2),
        (Part::Verify, JOIN),
        (Part::Verify, JOIN_IN_MEMORY),
        (Part::Verify, OURS_1),
        (Part::Verify, OURS_2),
    ];
    subjects
        .into_iter()
        .filter_map(|(part, contender)| {
            let rate = |rows| {
                let subject = Subject {
                    part,
                    rows,
                    contender,
                };
                recorder.median(subject, copy::RATE)
            };
            Some(Growth {
                part,
                contender,
                table: f64::from(*largest) / f64::from(*smallest),
                cost: rate(*smallest)? / rate(*largest)?,
            })
        })
        .collect()
}

fn ratio(figure: Option<f64>, base: Option<f64>) -> Option<f64> {
    Some(figure? / base?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(rows: u32, contender: &'static str) -> Subject {
        Subject {
            part: Part::Copy,
            rows,
            contender,
        }
    }

    #[test]
    fn a_bar_is_met_from_its_bound_on() {
        let mut recorder = Recorder::default();
        recorder.add(copied(10, ON_CONFLICT), &[(copy::RATE, 100.0)]);
        recorder.add(copied(10, OURS_2), &[(copy::RATE, 130.0)]);
        recorder.add(copied(40, ON_CONFLICT), &[(copy::RATE, 100.0)]);
        recorder.add(copied(40, OURS_2), &[(copy::RATE, 129.0)]);
        let bars = bars(&recorder, &[10, 40], 10, 10);
        let met: Vec<bool> = bars.iter().map(|bar| bar.met).collect();
        assert_eq!(met, [true, false], "{bars:?}");
    }

    #[test]
    fn growth_needs_two_sizes() {
        let mut recorder = Recorder::default();
        recorder.add(copied(10, OURS_2), &[(copy::RATE, 100.0)]);
        recorder.add(copied(40, OURS_2), &[(copy::RATE, 80.0)]);
        assert!(growth(&recorder, &[10]).is_empty());
        let growth = growth(&recorder, &[10, 40]);
        assert_eq!(growth.len(), 1);
        assert!((growth[0].cost - 1.25).abs() < 1e-9, "{growth:?}");
    }
}
