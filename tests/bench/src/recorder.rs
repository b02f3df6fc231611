//! What was measured: samples by part, table size, contender and measure, and their medians.

use crate::arguments::Part;

/// The samples of a run, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    lines: Vec<Line>,
}

/// What was measured of one contender.
#[derive(Debug)]
pub(crate) struct Line {
    /// In which part.
    pub(crate) part: Part,
    /// On a table of so many rows.
    pub(crate) rows: u32,
    /// Who.
    pub(crate) contender: &'static str,
    /// Samples by measure.
    pub(crate) measures: Vec<(&'static str, Vec<f64>)>,
}

/// Who is measured on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// In which part.
    pub(crate) part: Part,
    /// On a table of so many rows.
    pub(crate) rows: u32,
    /// Who.
    pub(crate) contender: &'static str,
}

impl Line {
    fn is_of(&self, subject: Subject) -> bool {
        self.subject() == subject
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            part: self.part,
            rows: self.rows,
            contender: self.contender,
        }
    }

    fn samples(&self, measure: &str) -> Option<&[f64]> {
        let found = self.measures.iter().find(|(name, _)| *name == measure);
        found.map(|(_, samples)| samples.as_slice())
    }

    /// The median of a measure.
    pub(crate) fn median(&self, measure: &str) -> Option<f64> {
        self.samples(measure).map(median)
    }
}

impl Recorder {
    /// Adds a sample of each measure.
    pub(crate) fn add(&mut self, subject: Subject, measures: &[(&'static str, f64)]) {
        let at = self.lines.iter().position(|line| line.is_of(subject));
        let at = at.unwrap_or_else(|| {
            self.lines.push(Line {
                part: subject.part,
                rows: subject.rows,
                contender: subject.contender,
                measures: Vec::new(),
            });
            self.lines.len() - 1
        });
        let line = &mut self.lines[at];
        for (name, value) in measures {
            match line.measures.iter_mut().find(|(known, _)| known == name) {
                Some((_, samples)) => samples.push(*value),
                None => line.measures.push((name, vec![*value])),
            }
        }
    }

    /// All of them, parts and sizes in order.
    pub(crate) fn lines(&self) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by_key(|line| (line.part, line.rows));
        lines
    }

    /// The median of a measure.
    pub(crate) fn median(&self, subject: Subject, measure: &str) -> Option<f64> {
        self.line(subject)?.median(measure)
    }

    /// The greatest sample of a measure.
    pub(crate) fn greatest(&self, subject: Subject, measure: &str) -> Option<f64> {
        let samples = self.line(subject)?.samples(measure)?;
        samples.iter().copied().max_by(f64::total_cmp)
    }

    /// Adds to every contender of a part its median as a ratio to that of `base`.
    pub(crate) fn add_ratios(
        &mut self,
        part: Part,
        measure: &str,
        base: &'static str,
        name: &'static str,
    ) {
        let ratios: Vec<(Subject, f64)> = self
            .lines
            .iter()
            .filter(|line| line.part == part)
            .filter_map(|line| {
                let subject = line.subject();
                let contender = base;
                let base = self.median(
                    Subject {
                        contender,
                        ..subject
                    },
                    measure,
                )?;
                Some((subject, line.median(measure)? / base))
            })
            .collect();
        for (subject, ratio) in ratios {
            self.add(subject, &[(name, ratio)]);
        }
    }

    fn line(&self, subject: Subject) -> Option<&Line> {
        self.lines.iter().find(|line| line.is_of(subject))
    }
}

/// The median; of an even number the mean of the two in the middle.
fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value that a share of the sorted samples does not exceed (nearest rank).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rank among some thousands of samples"
)]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The contenders of a repetition, another one first each time: whoever comes first finds other
/// caches than whoever comes last.
pub(crate) fn rotated<T: Copy>(contenders: &[T], repetition: u32) -> Vec<T> {
    let mut order = contenders.to_vec();
    if !order.is_empty() {
        let by = usize::try_from(repetition).unwrap_or(0) % order.len();
        order.rotate_left(by);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject {
        part: Part::Copy,
        rows: 10,
        contender: "one",
    };
    const OTHER: Subject = Subject {
        contender: "other",
        ..SUBJECT
    };

    fn near(value: Option<f64>, expected: f64) -> bool {
        value.is_some_and(|value| (value - expected).abs() < 1e-9)
    }

    #[test]
    fn medians_and_ratios_are_those_of_all_samples() {
        let mut recorder = Recorder::default();
        for value in [9.0, 1.0, 4.0] {
            recorder.add(SUBJECT, &[("rate", value)]);
            recorder.add(OTHER, &[("rate", value * 2.0)]);
        }
        recorder.add(OTHER, &[("rate", 4.0)]);
        assert!(near(recorder.median(SUBJECT, "rate"), 4.0));
        assert!(near(recorder.median(OTHER, "rate"), 6.0));
        assert!(near(recorder.greatest(OTHER, "rate"), 18.0));
        recorder.add_ratios(Part::Copy, "rate", "one", "of one");
        assert!(near(recorder.median(OTHER, "of one"), 1.5));
        assert_eq!(recorder.median(OTHER, "nothing"), None);
    }

    #[test]
    fn quantiles_are_samples() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!(near(Some(quantile(&sorted, 0.5)), 50.0));
        assert!(near(Some(quantile(&sorted, 0.99)), 99.0));
        assert!(near(Some(quantile(&sorted[..1], 0.5)), 1.0));
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn everybody_comes_first_once() {
        assert_eq!(rotated(&[1, 2, 3], 0), [1, 2, 3]);
        assert_eq!(rotated(&[1, 2, 3], 1), [2, 3, 1]);
        assert_eq!(rotated(&[1, 2, 3], 5), [3, 1, 2]);
        assert_eq!(rotated::<u8>(&[], 1), [0_u8; 0]);
    }
}
