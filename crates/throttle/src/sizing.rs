//! How much goes into the next chunk: as much as keeps a chunk at its target time.
//!
//! The chunk is what the applications feel: it is the longest time for which one of their
//! statements can wait for us. A servo on the 90th percentile of the last chunks keeps it there;
//! growth is slow, since one chunk that is too long hurts more than ten that are too short.

use std::collections::VecDeque;
use std::time::Duration;

/// Chunks that the percentile looks at.
const WINDOW: usize = 10;
/// Most that the size grows from one chunk to the next.
const GROWTH: f64 = 1.5;
/// A chunk so many times over its target shrinks the size at once, to a tenth.
const RUNAWAY: f64 = 5.0;

/// Blocks per chunk, steered by how long chunks take.
#[derive(Debug, Clone)]
pub struct ChunkSize {
    target: Duration,
    most_rows: u64,
    blocks: f64,
    rows_per_block: f64,
    seconds_per_block: VecDeque<f64>,
}

impl ChunkSize {
    /// Starts with a size that suits a table with `rows_per_block` rows in a block.
    ///
    /// `most_rows` bounds each chunk (an estimate: a range of blocks has no exact count before it
    /// is read); `target` is the time a chunk should take.
    pub fn new(target: Duration, most_rows: u64, rows_per_block: f64) -> Self {
        let mut size = Self {
            target,
            most_rows: most_rows.max(1),
            // A tenth of what the bound allows: the first chunks tell how fast the server is.
            blocks: 1.0,
            rows_per_block: rows_per_block.max(0.01),
            seconds_per_block: VecDeque::with_capacity(WINDOW),
        };
        size.blocks = (size.most_blocks() / 10.0).max(1.0);
        size
    }

    /// Blocks for the next chunk, at least 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded by 1 and by a u32's range"
    )]
    pub fn blocks(&self) -> u32 {
        self.blocks
            .clamp(1.0, self.most_blocks().clamp(1.0, f64::from(u32::MAX))) as u32
    }

    /// Notes a chunk that went through: its blocks, its rows, and the time on the server.
    pub fn record(&mut self, blocks: u32, rows: u64, took: Duration) {
        let blocks_done = f64::from(blocks.max(1));
        if rows > 0 {
            // Slowly: rows are not spread evenly over blocks.
            self.rows_per_block = self.rows_per_block * 0.8 + as_f64(rows) / blocks_done * 0.2;
        }
        if took.as_secs_f64() > self.target.as_secs_f64() * RUNAWAY {
            self.seconds_per_block.clear();
            self.blocks = (blocks_done / 10.0).max(1.0);
            return;
        }
        if self.seconds_per_block.len() == WINDOW {
            self.seconds_per_block.pop_front();
        }
        self.seconds_per_block
            .push_back(took.as_secs_f64() / blocks_done);
        let fits = self.target.as_secs_f64() / self.p90().max(f64::EPSILON);
        self.blocks = fits
            .min(self.blocks * GROWTH)
            .clamp(1.0, self.most_blocks().max(1.0));
    }

    /// Notes a chunk that had to give way: the next one is half as large.
    pub fn halve(&mut self) {
        self.blocks = (self.blocks / 2.0).max(1.0);
    }

    /// Takes another target and another bound on rows: both may change while the copy runs.
    pub fn adjust(&mut self, target: Duration, most_rows: u64) {
        self.target = target;
        self.most_rows = most_rows.max(1);
    }

    fn most_blocks(&self) -> f64 {
        as_f64(self.most_rows) / self.rows_per_block
    }

    /// 90th percentile of the seconds that a block took in the last chunks.
    fn p90(&self) -> f64 {
        let mut sorted: Vec<f64> = self.seconds_per_block.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * 9).div_ceil(10);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "row counts of a chunk are far below 2^52"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(50);

    fn settle(size: &mut ChunkSize, per_block: Duration) {
        for _ in 0..60 {
            let blocks = size.blocks();
            size.record(blocks, u64::from(blocks) * 30, per_block * blocks);
        }
    }

    #[test]
    fn it_settles_at_the_target() {
        let mut size = ChunkSize::new(TARGET, 1_000_000, 30.0);
        settle(&mut size, Duration::from_micros(500));
        assert_eq!(size.blocks(), 100);
        settle(&mut size, Duration::from_millis(5));
        assert_eq!(size.blocks(), 10);
    }

    #[test]
    fn growth_is_bounded_and_a_runaway_shrinks_at_once() {
        let mut size = ChunkSize::new(TARGET, 1_000_000, 30.0);
        settle(&mut size, Duration::from_micros(500));
        size.record(100, 3_000, TARGET * 6);
        assert_eq!(size.blocks(), 10);
        size.record(10, 300, Duration::from_micros(10));
        assert_eq!(size.blocks(), 15);
    }

    #[test]
    fn rows_bound_it_from_above_and_one_block_from_below() {
        let mut size = ChunkSize::new(TARGET, 600, 30.0);
        settle(&mut size, Duration::from_micros(1));
        assert_eq!(size.blocks(), 20);
        for _ in 0..20 {
            size.halve();
        }
        assert_eq!(size.blocks(), 1);
        settle(&mut size, Duration::from_secs(1));
        assert_eq!(size.blocks(), 1);
    }

    #[test]
    fn it_follows_another_target_and_another_bound() {
        let mut size = ChunkSize::new(TARGET, 1_000_000, 30.0);
        settle(&mut size, Duration::from_micros(500));
        size.adjust(TARGET / 2, 1_000_000);
        settle(&mut size, Duration::from_micros(500));
        assert_eq!(size.blocks(), 50);
        size.adjust(TARGET / 2, 300);
        assert_eq!(size.blocks(), 10);
    }

    #[test]
    fn one_slow_chunk_of_ten_counts() {
        let mut size = ChunkSize::new(TARGET, 1_000_000, 30.0);
        settle(&mut size, Duration::from_micros(500));
        size.record(100, 3_000, Duration::from_millis(100));
        size.record(100, 3_000, Duration::from_millis(100));
        assert_eq!(size.blocks(), 50);
    }
}
