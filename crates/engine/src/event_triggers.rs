//! Event triggers, which run with every command that changes the schema, ours among them, and may
//! refuse it.

use crossfade_postgres::{Queries, QueryError};

use crate::error::EngineError;
use crate::runner::Runner;

// Those that are off, or for replicas only, do not run for us.
const ENABLED: &str = "select pg_catalog.quote_ident(e.evtname) as name, p.proname::text as function \
     from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc p on p.oid = e.evtfoid \
     where e.evtenabled in ('O', 'A') \
       and e.evtevent in ('ddl_command_start', 'ddl_command_end', 'sql_drop', 'table_rewrite') \
     order by e.evtname";

/// One that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventTrigger {
    /// Its name, quoted.
    pub(crate) name: String,
    /// The name of its function.
    function: String,
}

/// Those that run with our commands.
pub(crate) async fn enabled(queries: &impl Queries) -> Result<Vec<EventTrigger>, EngineError> {
    let rows = queries.query(ENABLED, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(EventTrigger {
                name: row.try_get("name").map_err(QueryError::from)?,
                function: row.try_get("function").map_err(QueryError::from)?,
            })
        })
        .collect()
}

/// Whether a statement failed in the function of an event trigger.
pub(crate) async fn behind(
    runner: &Runner<'_>,
    error: &QueryError,
) -> Result<Option<EngineError>, EngineError> {
    let session = runner.engine.store.session(&runner.tag("events")).await?;
    let mut triggers = enabled(&session).await?;
    triggers.retain(|trigger| error.came_up_in(&trigger.function));
    Ok((!triggers.is_empty()).then(|| EngineError::EventTrigger {
        triggers: triggers.into_iter().map(|one| one.name).collect(),
        stage: runner.record.stage,
    }))
}
