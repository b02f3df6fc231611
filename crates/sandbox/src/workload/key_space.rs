//! Which keys the transactions choose: hot ones, any of the loaded ones, recent ones, new ones.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, seq::IndexedRandom};

use super::key::{Key, KeyKind};

/// How many of the keys that were made last are remembered.
const RECENT: usize = 4096;

/// Of 10 choices, those among the hot keys, and those among all loaded keys. The rest are
/// recent ones.
const HOT_OF_TEN: u32 = 5;
const LOADED_OF_TEN: u32 = 3;

/// The keys that the connections of one workload share.
#[derive(Debug)]
pub(crate) struct KeySpace {
    kind: KeyKind,
    loaded: u32,
    fresh: AtomicU32,
    recent: Mutex<VecDeque<Key>>,
}

impl KeySpace {
    /// `loaded` keys numbered from 1; new ones get numbers from `fresh` on.
    pub(crate) fn new(kind: KeyKind, loaded: u32, fresh: u32) -> Self {
        Self {
            kind,
            loaded: loaded.max(1),
            fresh: AtomicU32::new(fresh),
            recent: Mutex::new(VecDeque::with_capacity(RECENT)),
        }
    }

    /// A key that was never used.
    pub(crate) fn fresh(&self) -> Key {
        self.kind.key(self.fresh.fetch_add(1, Ordering::Relaxed))
    }

    /// The number of the next key that was never used.
    pub(crate) fn next_fresh(&self) -> u32 {
        self.fresh.load(Ordering::Relaxed)
    }

    /// The key with this number.
    pub(crate) fn numbered(&self, number: u32) -> Key {
        self.kind.key(number)
    }

    /// A key that may exist; some are chosen much more often than others.
    pub(crate) fn any(&self, rng: &mut StdRng) -> Key {
        match rng.random_range(0..10) {
            n if n < HOT_OF_TEN => self.hot(rng),
            n if n < HOT_OF_TEN + LOADED_OF_TEN => self.loaded(rng),
            _ => self.recent(rng).unwrap_or_else(|| self.loaded(rng)),
        }
    }

    /// A key that was never used, and that a row may change again.
    pub(crate) fn fresh_movable(&self) -> Key {
        loop {
            let key = self.fresh();
            if !key.is_pinned() {
                return key;
            }
        }
    }

    /// A key that may exist, and that its row may change.
    pub(crate) fn movable(&self, rng: &mut StdRng) -> Key {
        // Of very few loaded keys, none may be movable: then one that does not exist.
        (0..32)
            .map(|_| self.any(rng))
            .find(|key| !key.is_pinned())
            .unwrap_or_else(|| self.fresh_movable())
    }

    /// Any of the loaded keys, each as likely as the others.
    pub(crate) fn loaded(&self, rng: &mut StdRng) -> Key {
        self.kind.key(rng.random_range(1..=self.loaded))
    }

    /// Up to `count` different keys that may exist.
    pub(crate) fn several(&self, rng: &mut StdRng, count: usize) -> Vec<Key> {
        let mut keys: Vec<Key> = (0..count).map(|_| self.any(rng)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Up to `count` different keys that no row changes, in the order in which they are locked.
    pub(crate) fn pinned(&self, rng: &mut StdRng, count: usize) -> Vec<Key> {
        // Half of them go.
        let mut keys = self.several(rng, count * 2);
        keys.retain(Key::is_pinned);
        keep_any(rng, &mut keys, count);
        keys
    }

    /// The same among all loaded keys, each as likely as the others.
    pub(crate) fn pinned_loaded(&self, rng: &mut StdRng, count: usize) -> Vec<Key> {
        let mut keys: Vec<Key> = (0..count * 2).map(|_| self.loaded(rng)).collect();
        keys.retain(Key::is_pinned);
        keys.sort_unstable();
        keys.dedup();
        keep_any(rng, &mut keys, count);
        keys
    }

    /// Remembers keys that a commit has made.
    pub(crate) fn remember(&self, keys: Vec<Key>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(key);
        }
    }

    fn recent(&self, rng: &mut StdRng) -> Option<Key> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let (front, back) = recent.as_slices();
        let part = if back.is_empty() || rng.random() {
            front
        } else {
            back
        };
        part.choose(rng).cloned()
    }

    /// Key k with a probability of about 1/k: first the magnitude, then the number below it.
    fn hot(&self, rng: &mut StdRng) -> Key {
        let magnitude = rng.random_range(0..=self.loaded.ilog2());
        let number = rng.random_range(1..=1_u32 << magnitude);
        self.kind.key(number)
    }
}

/// Leaves `count` of the keys, in their order; not just the first ones, which would be the
/// same all the time.
fn keep_any(rng: &mut StdRng, keys: &mut Vec<Key>, count: usize) {
    while keys.len() > count {
        keys.remove(rng.random_range(0..keys.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_first_keys_are_hot_and_no_key_is_outside() {
        let space = KeySpace::new(KeyKind::BigInt, 1000, 5000);
        let mut rng = StdRng::seed_from_u64(1);
        let mut counts: HashMap<u32, u32> = HashMap::new();
        for _ in 0..10_000 {
            let key = space.any(&mut rng);
            let number = key.0[0].parse().expect("a number");
            *counts.entry(number).or_default() += 1;
        }
        assert!(counts.keys().all(|number| (1..=1000).contains(number)));
        assert!(counts[&1] > 500, "key 1 was chosen {} times", counts[&1]);
    }

    #[test]
    fn keys_to_lock_are_pinned_in_order_and_different() {
        let space = KeySpace::new(KeyKind::IntText, 16, 5000);
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..100 {
            let keys = space.pinned(&mut rng, 4);
            assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
            assert!(keys.iter().all(Key::is_pinned), "{keys:?}");
            assert!(!space.movable(&mut rng).is_pinned());
        }
    }
}
