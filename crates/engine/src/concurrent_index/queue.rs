//! Who waits for whom around a process that holds a lock on the target for long.

use crossfade_plan::QualifiedName;
use crossfade_postgres::{Param, Queries, QueryError};
use tokio_postgres::types::Type;

use super::connection::Pace;
use crate::error::EngineError;

/// `somebody_waits`: anybody waits for what the process holds or has asked for before.
///
/// A TRUNCATE of the source waits, through its trigger, for a lock on the target that a build holds
/// until its end, and everybody else waits for the TRUNCATE. Worse, the build waits for whoever
/// has an older snapshot: for the ones behind the TRUNCATE, a deadlock of which an application
/// would be the victim.
///
/// `table_wanted`: that TRUNCATE is on its way, and somebody has waited for long. Whoever waits
/// behind it is looked at by the server a `deadlock_timeout` after its own wait began, which may be
/// a moment after the TRUNCATE came to the target: too soon to be seen there.
///
/// Its parameters: the process, the source, what a long wait is, in milliseconds.
pub(super) const QUEUE: &str = "select q.behind, q.table_wanted, \
       q.somebody_waits or (q.table_wanted and pg_catalog.cardinality(q.behind) > 0) as in_the_way \
     from (select \
       exists (select from pg_catalog.pg_locks l \
               where not l.granted and $1 = any (pg_catalog.pg_blocking_pids(l.pid))) \
         as somebody_waits, \
       pg_catalog.pg_blocking_pids($1) as behind, \
       exists (select from pg_catalog.pg_locks l \
               where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' \
                 and l.relation = pg_catalog.to_regclass($2) \
                 and l.database = (select d.oid from pg_catalog.pg_database d \
                                   where d.datname = pg_catalog.current_database())) \
         and exists (select from pg_catalog.pg_locks l \
                     join pg_catalog.pg_stat_activity a on a.pid = l.pid \
                     where not l.granted and l.pid <> $1 \
                       and a.datname = pg_catalog.current_database() \
                       and l.waitstart < pg_catalog.clock_timestamp() \
                           - $3 * interval '1 millisecond') \
         as table_wanted) q";

/// Who waits for whom, around one process.
#[derive(Debug)]
pub(super) struct Queue {
    /// It is to give way.
    pub(super) in_the_way: bool,
    /// It waits for these.
    pub(super) behind: Vec<i32>,
    /// Somebody wants the source for himself alone, or has it, and somebody has waited for long.
    pub(super) table_wanted: bool,
}

impl Queue {
    /// The queue around process `pid`, where the source is `table`.
    pub(super) async fn around(
        queries: &impl Queries,
        pid: i32,
        table: &QualifiedName,
        pace: Pace,
    ) -> Result<Self, EngineError> {
        let (table, long) = (table.to_string(), pace.long_wait_ms());
        let parameters: [Param<'_>; 3] = [
            (&pid, Type::INT4),
            (&table, Type::TEXT),
            (&long, Type::INT4),
        ];
        let row = queries.query_opt(QUEUE, &parameters).await?;
        let Some(row) = row else {
            unreachable!("a select without a from clause returns one row");
        };
        Ok(Self {
            in_the_way: row.try_get("in_the_way").map_err(QueryError::from)?,
            behind: row.try_get("behind").map_err(QueryError::from)?,
            table_wanted: row.try_get("table_wanted").map_err(QueryError::from)?,
        })
    }
}
