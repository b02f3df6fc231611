//! Drawing rows at random: places in the heap, each as likely as any other.
//!
//! A place is a random block and a random line pointer up to the most that a block can have. It
//! counts if a visible row is there, so each row has the same chance, however full its block is.
//! `tablesample system` would draw blocks, whose rows are not independent of each other.

use std::collections::HashSet;

use crossfade_plan::QualifiedName;
use crossfade_postgres::{Queries, rule};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio_postgres::types::Type;

use crate::error::VerifyError;

/// 24 bytes of each block are its header; a row takes a line pointer of 4 bytes and a header of 24.
const EXTENT: &str = "\
    select pg_catalog.pg_relation_size(pg_catalog.to_regclass($1)) / b.size as blocks, \
           (b.size - 24) / 28 as line_pointers \
      from (select pg_catalog.current_setting('block_size')::bigint as size) b";

/// Where rows can be: the blocks of a heap, and the line pointers that each can have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    blocks: i64,
    line_pointers: i64,
}

impl Extent {
    /// Measures a table as it is now. Rows in blocks that come later are not drawn.
    pub(crate) async fn read(
        queries: &impl Queries,
        table: &QualifiedName,
    ) -> Result<Self, VerifyError> {
        let name = table.to_string();
        let row = queries.query_opt(EXTENT, &[(&name, Type::TEXT)]).await?;
        let row = row.expect("a subquery without FROM returns one row");
        let blocks: Option<i64> = row.try_get("blocks")?;
        Ok(Self {
            blocks: blocks.ok_or(VerifyError::TableGone { table: name })?,
            line_pointers: row.try_get("line_pointers")?,
        })
    }

    fn places(self) -> u64 {
        u64::try_from(self.blocks.saturating_mul(self.line_pointers)).unwrap_or(0)
    }
}

/// Draws places, none twice.
pub(crate) struct Draws {
    rng: StdRng,
    drawn: HashSet<(i64, i64)>,
}

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            drawn: HashSet::new(),
        }
    }

    /// How many places were drawn.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.drawn.len()).unwrap_or(u64::MAX)
    }

    /// Up to `count` places that were not drawn before, as the text of an array of tuple ids;
    /// `None` when there is none left.
    pub(crate) fn next(&mut self, extent: Extent, count: u64) -> Option<String> {
        let left = extent.places().saturating_sub(self.count());
        let count = count.min(left);
        if count == 0 {
            return None;
        }
        let mut places = Vec::new();
        while (places.len() as u64) < count {
            let block = self.rng.random_range(0..extent.blocks);
            let one = self.rng.random_range(1..=extent.line_pointers);
            let line_pointers = if rule::holds("verify/uniform-sample") {
                one..=one
            } else {
                1..=extent.line_pointers
            };
            for line_pointer in line_pointers {
                if self.drawn.insert((block, line_pointer)) {
                    places.push(format!("\"({block},{line_pointer})\""));
                }
            }
        }
        Some(format!("{{{}}}", places.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Extent = Extent {
        blocks: 2,
        line_pointers: 3,
    };

    #[test]
    fn every_place_comes_once() {
        let mut draws = Draws::new(7);
        let mut places = Vec::new();
        while let Some(batch) = draws.next(SMALL, 4) {
            places.extend(batch.matches('(').map(str::to_owned));
        }
        assert_eq!((places.len(), draws.count()), (6, 6));
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| Draws::new(seed).next(SMALL, 3);
        assert_eq!(draw(1), draw(1));
        assert!((2..20).any(|seed| draw(seed) != draw(1)));
    }

    #[test]
    fn an_empty_heap_has_no_place() {
        let empty = Extent {
            blocks: 0,
            line_pointers: 291,
        };
        assert_eq!(Draws::new(1).next(empty, 10), None);
    }
}
