//! What is still to be compared, shared by the workers.

use crossfade_postgres::Queries;
use tokio::sync::Mutex;

use crate::error::VerifyError;
use crate::interval::{Interval, Key};
use crate::sides::Sides;

/// Intervals that nobody has compared yet.
pub(crate) struct Queue {
    left: Mutex<Vec<Interval>>,
}

impl Queue {
    pub(crate) fn new(left: Vec<Interval>) -> Self {
        Self {
            left: Mutex::new(left),
        }
    }

    /// Takes the next interval of about `rows` rows of the source; `None` when nothing is left.
    ///
    /// Two workers take one after the other, since each needs to know where the last one's ends.
    /// A boundary is a key that the source had a moment ago. Whether it still has it does not
    /// matter: intervals cover keys, not rows.
    pub(crate) async fn take(
        &self,
        queries: &impl Queries,
        sides: &Sides,
        rows: u32,
    ) -> Result<Option<Interval>, VerifyError> {
        let mut left = self.left.lock().await;
        let Some(interval) = left.last().cloned() else {
            return Ok(None);
        };
        let boundary = sides.boundary(&interval);
        let row = queries
            .query_opt(&boundary.sql, &boundary.parameters(&i64::from(rows.max(1))))
            .await?;
        let key: Option<Key> = row.map(|row| row.try_get("key")).transpose()?;
        left.pop();
        let Some(key) = key else {
            return Ok(Some(interval));
        };
        left.push(Interval {
            lower: Some(key.clone()),
            upper: interval.upper,
        });
        Ok(Some(Interval {
            lower: interval.lower,
            upper: Some(key),
        }))
    }

    /// Gives back an interval that could not be compared.
    pub(crate) async fn give_back(&self, interval: Interval) {
        self.left.lock().await.push(interval);
    }
}
