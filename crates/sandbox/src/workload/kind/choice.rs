//! What a transaction chooses: columns and values.

use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::workload::key::Key;
use crate::workload::side::{Change, Row};
use crate::workload::transaction::Transaction;

impl Transaction<'_> {
    /// A row with values for most of the columns that the application writes now; the others
    /// get their default.
    pub(crate) fn row(&mut self, key: Option<Key>) -> Row {
        let places = self.written();
        let kept = self.rng.random_range(0..places.len().max(1));
        let mut values = Vec::with_capacity(places.len());
        for (n, place) in places.into_iter().enumerate() {
            // One is always kept, since a statement needs a column.
            if n == kept || self.rng.random_ratio(7, 8) {
                values.push((place, self.value(place)));
            }
        }
        Row { key, values }
    }

    /// A value for each column that the application writes now: rows of one statement must
    /// name the same columns.
    pub(crate) fn full_row(&mut self, key: Key) -> Row {
        let places = self.written();
        let values = places.into_iter().map(|place| (place, self.value(place)));
        let values = values.collect();
        Row {
            key: Some(key),
            values,
        }
    }

    /// New values for one or two columns.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        let places = self.written();
        let count = self.rng.random_range(1..=2);
        let chosen: Vec<usize> = places.sample(self.rng, count).copied().collect();
        let changes = chosen.into_iter().map(|place| {
            let integer = self.sides.table.columns[place].values.is_integer();
            // A change that depends on the value before shows a lost update.
            if integer && self.sides.app.shape.plain(place).is_some() {
                Change::Increment(place)
            } else {
                Change::Set(place, self.value(place))
            }
        });
        changes.collect()
    }

    /// A column that the application writes now and that fits; else any that it writes.
    pub(crate) fn nullable(&mut self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let columns = &self.sides.table.columns;
        let mut places = self.written();
        places.retain(|place| columns[*place].nullable);
        let fitting: Vec<usize> = places
            .iter()
            .copied()
            .filter(|place| wanted(*place))
            .collect();
        fitting
            .choose(self.rng)
            .or_else(|| places.choose(self.rng))
            .copied()
    }

    /// The columns that the application writes now.
    fn written(&self) -> Vec<usize> {
        let columns = self.sides.app.shape.columns.iter().enumerate();
        let written = columns.filter(|(_, targets)| !targets.is_empty());
        written.map(|(place, _)| place).collect()
    }

    fn value(&mut self, place: usize) -> Option<String> {
        let column = &self.sides.table.columns[place];
        if column.nullable && self.rng.random_ratio(1, 8) {
            return None;
        }
        Some(column.values.generate(self.rng))
    }
}
