//! Tuple ids: places in a heap, as bounds of a range scan.

use std::fmt;

/// Line pointers that a page can hold at most: 8 KiB pages hold 291, 32 KiB pages 1169.
pub(crate) const LINE_POINTERS: u16 = 2047;

/// A place in a heap. Ordered as the server orders `tid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tid {
    /// The block.
    pub(crate) block: u32,
    /// The line pointer within it; the first one is 1, 0 stands before all.
    pub(crate) line: u16,
}

impl Tid {
    /// Before every tuple of a block.
    pub(crate) const fn start_of(block: u32) -> Self {
        Self { block, line: 0 }
    }

    /// A place between `self` and `end`, or `None` where at most one tuple lies between them.
    pub(crate) fn middle(self, end: Self) -> Option<Self> {
        if end.block > self.block + 1 {
            return Some(Self::start_of(self.block + (end.block - self.block) / 2));
        }
        let last = if end.block > self.block {
            LINE_POINTERS + 1
        } else {
            end.line
        };
        let first = self.line.max(1);
        (last > first + 1).then(|| Self {
            block: self.block,
            line: first + (last - first) / 2,
        })
    }
}

impl fmt::Display for Tid {
    /// As the server reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Halves until every piece holds at most one tuple; returns the pieces in order.
    fn pieces(from: Tid, end: Tid, into: &mut Vec<(Tid, Tid)>) {
        match from.middle(end) {
            Some(middle) => {
                assert!(from < middle && middle < end, "{from} {middle} {end}");
                pieces(from, middle, into);
                pieces(middle, end, into);
            }
            None => into.push((from, end)),
        }
    }

    #[test]
    fn halving_ends_at_single_tuples_and_leaves_none_out() {
        let (from, end) = (Tid::start_of(7), Tid::start_of(9));
        let mut found = Vec::new();
        pieces(from, end, &mut found);
        assert_eq!(found.first().map(|piece| piece.0), Some(from));
        assert_eq!(found.last().map(|piece| piece.1), Some(end));
        for pair in found.windows(2) {
            assert_eq!(pair[0].1, pair[1].0);
        }
        assert_eq!(found.len(), 2 * usize::from(LINE_POINTERS));
    }
}
