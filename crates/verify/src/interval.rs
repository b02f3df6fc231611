//! Half-open intervals of keys, and whether a set of them covers the whole key space.
//!
//! What was compared is a set of intervals and not a watermark: a watermark hides whatever lies
//! before it and was never read.

use std::collections::{HashMap, HashSet};

use crossfade_state::VerifiedInterval;

/// A key: its columns as text, in the key's order.
pub type Key = Vec<String>;

/// All keys from `lower`, inclusive, to `upper`, exclusive. `None` is the end of the key space.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interval {
    /// First key.
    pub lower: Option<Key>,
    /// The key before which it ends.
    pub upper: Option<Key>,
}

impl Interval {
    /// The whole key space.
    pub const ALL: Self = Self {
        lower: None,
        upper: None,
    };
}

impl From<&VerifiedInterval> for Interval {
    fn from(verified: &VerifiedInterval) -> Self {
        Self {
            lower: verified.lower.clone(),
            upper: verified.upper.clone(),
        }
    }
}

/// Whether the intervals cover every key there can be.
///
/// Each must begin where another one ends, from one end of the key space to the other. No order of
/// keys is needed for that: of a chain that leads from the lowest to the highest end, any key lies
/// in the last interval that begins at or before it.
pub fn tiles(intervals: &[Interval]) -> bool {
    segments(intervals).is_some_and(|segments| segments == [Interval::ALL])
}

/// Joins intervals that meet. `None` if two begin or end at one place, or some form a ring: then
/// nothing can be said about what they cover.
pub(crate) fn segments(intervals: &[Interval]) -> Option<Vec<Interval>> {
    let mut next = HashMap::new();
    let mut ends = HashSet::new();
    for interval in intervals {
        let twice = next.insert(&interval.lower, &interval.upper).is_some();
        if twice || !ends.insert(&interval.upper) {
            return None;
        }
    }
    let mut used = 0;
    let mut segments = Vec::new();
    for interval in intervals {
        // An open lower bound begins, an open upper one ends: they never meet.
        if interval.lower.is_some() && ends.contains(&interval.lower) {
            continue;
        }
        let mut upper = &interval.upper;
        used += 1;
        while upper.is_some()
            && let Some(following) = next.get(upper)
        {
            upper = following;
            used += 1;
        }
        segments.push(Interval {
            lower: interval.lower.clone(),
            upper: upper.clone(),
        });
    }
    (used == intervals.len()).then_some(segments)
}

/// What lies between segments that come in the order of their keys.
pub(crate) fn gaps(segments: &[Interval]) -> Vec<Interval> {
    let mut gaps = Vec::new();
    let mut from = Some(None);
    for segment in segments {
        // The first one may begin at the end of the key space.
        if let Some(lower) = from
            && segment.lower.is_some()
        {
            gaps.push(Interval {
                lower,
                upper: segment.lower.clone(),
            });
        }
        from = segment.upper.clone().map(Some);
    }
    if let Some(lower) = from {
        gaps.push(Interval { lower, upper: None });
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(lower: &str, upper: &str) -> Interval {
        let key = |text: &str| (!text.is_empty()).then(|| vec![text.to_owned()]);
        Interval {
            lower: key(lower),
            upper: key(upper),
        }
    }

    #[test]
    fn a_chain_from_end_to_end_tiles_in_any_order() {
        assert!(tiles(&[Interval::ALL]));
        assert!(tiles(&[
            interval("5", ""),
            interval("", "2"),
            interval("2", "5")
        ]));
    }

    #[test]
    fn holes_overlaps_and_open_ends_do_not() {
        for set in [
            vec![],
            vec![interval("", "2")],
            vec![interval("2", "")],
            vec![interval("", "2"), interval("3", "")],
            vec![interval("", "2"), interval("2", "5"), interval("2", "")],
            vec![interval("", "2"), interval("", "3"), interval("3", "")],
            vec![Interval::ALL, interval("1", "2"), interval("2", "1")],
        ] {
            assert!(!tiles(&set), "{set:?}");
        }
    }

    #[test]
    fn gaps_are_what_is_left() {
        assert_eq!(gaps(&[]), [Interval::ALL]);
        assert_eq!(gaps(&[Interval::ALL]), []);
        assert_eq!(
            gaps(&[interval("", "2"), interval("4", "7")]),
            [interval("2", "4"), interval("7", "")]
        );
        assert_eq!(gaps(&[interval("3", "")]), [interval("", "3")]);
    }

    #[test]
    fn gaps_and_segments_together_tile() {
        let done = [interval("", "2"), interval("2", "3"), interval("5", "6")];
        let segments = segments(&done).expect("no overlap");
        assert_eq!(segments, [interval("", "3"), interval("5", "6")]);
        let mut all = done.to_vec();
        all.extend(gaps(&segments));
        assert!(tiles(&all));
    }
}
