//! Reverse losses: writes after cutover that the old side could not take.

use crossfade_postgres::Queries;
use jiff::Timestamp;
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::{Store, only};

/// Triggers know only the name. What was recorded before this migration was registered belongs to
/// an earlier one of that name.
const SUM: &str = "\
    select count(*) as writes, count(distinct l.key) as rows, min(l.at) as since \
      from {state}.reverse_loss l \
      join {state}.migration m on m.name = l.migration and l.at >= m.created_at \
     where m.id = $1";

/// What the way back would lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReverseLoss {
    /// Since when the old side is not what the new one is.
    pub since: Timestamp,
    /// How many rows.
    pub rows: i64,
    /// How many writes.
    pub writes: i64,
}

impl Store {
    /// What rolling back would lose; `None` where nothing would be lost.
    pub async fn reverse_loss(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Option<ReverseLoss>, StateError> {
        let row = on.query_opt(&self.sql(SUM), &[(&id.0, Type::INT8)]).await?;
        let row = only(row);
        let Some(since) = row.try_get("since")? else {
            return Ok(None);
        };
        Ok(Some(ReverseLoss {
            since,
            rows: row.try_get("rows")?,
            writes: row.try_get("writes")?,
        }))
    }
}
