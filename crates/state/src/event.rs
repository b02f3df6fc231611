//! Events: what happened to a migration, append-only.

use crossfade_postgres::Queries;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::actor::Actor;
use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::Store;

/// The server names the role that logged in: nobody can make that part up.
const APPEND: &str = "\
    insert into {state}.event (migration_id, kind, actor, data) \
    values ($1, $2, session_user::text || ' ' || $3, $4)";

const LIST: &str = "\
    select id, at, kind, actor, data from {state}.event \
     where migration_id = $1 and id > $2 order by id limit $3";

/// Backwards along the index: the first one found is the latest.
const LATEST: &str = "\
    select id, at, kind, actor, data from {state}.event \
     where migration_id = $1 and kind = any ($2) order by id desc limit 1";

/// An event to record.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent<'a> {
    /// What happened, in `snake_case`.
    pub kind: &'a str,
    /// Who did it.
    pub actor: &'a Actor,
    /// Names, counts, settings and stages: never a cell of a row. What has `old` and `new` shows
    /// in the view `audit_log`.
    pub data: Value,
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Grows with time, but for events of transactions that overlap.
    pub id: i64,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// Role and process or person.
    pub actor: String,
    /// Names, counts, settings and stages.
    pub data: Value,
}

impl Store {
    /// Records an event, in the transaction of what it tells of.
    pub async fn append_event(
        &self,
        on: &impl Queries,
        id: MigrationId,
        event: NewEvent<'_>,
    ) -> Result<(), StateError> {
        on.execute(
            &self.sql(APPEND),
            &[
                (&id.0, Type::INT8),
                (&event.kind, Type::TEXT),
                (&event.actor.as_str(), Type::TEXT),
                (&event.data, Type::JSONB),
            ],
        )
        .await?;
        Ok(())
    }

    /// The first `limit` events after the one with the id `after` (0 for all), the oldest first.
    pub async fn events(
        &self,
        on: &impl Queries,
        id: MigrationId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Event>, StateError> {
        let rows = on
            .query(
                &self.sql(LIST),
                &[
                    (&id.0, Type::INT8),
                    (&after, Type::INT8),
                    (&i64::from(limit), Type::INT8),
                ],
            )
            .await?;
        rows.iter().map(event).collect()
    }

    /// The latest event of any of these kinds.
    pub async fn latest_event(
        &self,
        on: &impl Queries,
        id: MigrationId,
        kinds: &[&str],
    ) -> Result<Option<Event>, StateError> {
        let params = [(&id.0 as _, Type::INT8), (&kinds as _, Type::TEXT_ARRAY)];
        let row = on.query_opt(&self.sql(LATEST), &params).await?;
        row.as_ref().map(event).transpose()
    }
}

fn event(row: &Row) -> Result<Event, StateError> {
    Ok(Event {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        kind: row.try_get("kind")?,
        actor: row.try_get("actor")?,
        data: row.try_get("data")?,
    })
}
