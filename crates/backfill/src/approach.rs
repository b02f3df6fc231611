//! Which of the three statements a worker's next chunk is.

use crossfade_dual_write::chunk::Existing;

/// So many chunks in a row without a row that the target had, and the next one is taken to be
/// like them. A guess that fails costs its time again and leaves dead rows in the target: where
/// every second chunk was written to, one chunk in sixteen is guessed wrong.
const ENOUGH: u32 = 3;

/// What the last chunks of a worker tell of the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Approach {
    existing: Existing,
    /// Chunks in a row that inserted every row of their blocks.
    complete: u32,
}

impl Default for Approach {
    fn default() -> Self {
        Self {
            existing: Existing::LeftOut,
            complete: 0,
        }
    }
}

impl Approach {
    /// What the next chunk does with rows that the target has.
    pub(crate) fn existing(self) -> Existing {
        self.existing
    }

    /// A chunk went through, and inserted every row of its blocks, or not.
    pub(crate) fn copied(&mut self, complete: bool) {
        self.complete = if complete { self.complete + 1 } else { 0 };
        self.existing = if self.complete >= ENOUGH {
            Existing::Refused
        } else {
            Existing::LeftOut
        };
    }

    /// A chunk failed on a row that the target has. Whether there is another way for it, which is
    /// then the next one.
    pub(crate) fn gives_way(&mut self) -> bool {
        self.complete = 0;
        match self.existing {
            Existing::Refused => self.existing = Existing::LeftOut,
            Existing::LeftOut => self.existing = Existing::Kept,
            Existing::Kept => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunks_that_met_nothing_let_the_next_one_look_nothing_up() {
        let mut approach = Approach::default();
        for _ in 0..ENOUGH {
            assert_eq!(approach.existing(), Existing::LeftOut);
            approach.copied(true);
        }
        assert_eq!(approach.existing(), Existing::Refused);
        approach.copied(false);
        assert_eq!(approach.existing(), Existing::LeftOut);
    }

    #[test]
    fn a_row_that_is_there_leads_from_the_cheapest_way_to_the_surest() {
        let mut approach = Approach::default();
        for _ in 0..ENOUGH {
            approach.copied(true);
        }
        assert!(approach.gives_way());
        assert_eq!(approach.existing(), Existing::LeftOut);
        assert!(approach.gives_way());
        assert_eq!(approach.existing(), Existing::Kept);
        assert!(!approach.gives_way(), "nothing else is left");
        approach.copied(true);
        assert_eq!(approach.existing(), Existing::LeftOut);
    }
}
