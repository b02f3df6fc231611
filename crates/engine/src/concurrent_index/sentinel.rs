//! Whoever watches a build watches it at the server: a runner may be stopped, starved or cut off
//! for longer than the server waits with its deadlocks, and the build goes on.

use crossfade_dual_write::sql;
use crossfade_plan::QualifiedName;
use crossfade_postgres::{Queries, rule};

use super::connection::Connection;
use super::queue::QUEUE;
use crate::error::EngineError;
use crate::runner::Runner;

/// So many looks long, the build may not have come to the server yet.
const LOOKS_BEFORE: u32 = 50;

/// A connection to watch from.
pub(super) async fn post(runner: &Runner<'_>) -> Result<Connection, EngineError> {
    Connection::open(runner, "watch").await
}

/// Keeps somebody watching what the process of `build` does, from `post` first, who cancels it when
/// it is in somebody's way. Returns when that cannot be had any more.
pub(super) async fn keep(runner: &Runner<'_>, build: &Connection, post: Connection) {
    if !rule::holds("index/gives-way") {
        return std::future::pending().await;
    }
    let statement = statement(build, &runner.plan.mapping.source);
    let mut post = post;
    loop {
        match post.session.batch(&statement).await {
            // The build has ended, and its answer is on its way.
            Ok(()) => {}
            Err(error) => {
                tracing::info!(error = %error, "nobody watches the index build for a moment");
                if !EngineError::from(error).passes() {
                    return;
                }
            }
        }
        tokio::time::sleep(build.pace.look_every).await;
        post = match self::post(runner).await {
            Ok(post) => post,
            Err(error) => {
                tracing::info!(error = %error, "nobody can watch the index build");
                return;
            }
        };
    }
}

/// Looks until the build has ended. Each look is a transaction of its own: the build waits for old
/// snapshots, ours among them, and within one transaction the server shows what the others do as it
/// was at the first look.
fn statement(build: &Connection, source: &QualifiedName) -> String {
    let pid = build.pid;
    let pause = build.pace.look_every.as_secs_f64();
    let long = build.pace.long_wait_ms();
    let source = sql::literal(&source.to_string());
    let queue = sql::literal(QUEUE);
    let body = format!(
        "declare
  looks integer := 0;
  seen boolean := false;
  active boolean;
  queue record;
  -- Another backend may get its number.
  born timestamp with time zone := (select a.backend_start from pg_catalog.pg_stat_activity a
                                    where a.pid = {pid});
begin
  loop
    commit;
    perform pg_catalog.pg_sleep({pause});
    looks := looks + 1;
    active := exists (select from pg_catalog.pg_stat_activity a
                      where a.pid = {pid} and a.backend_start = born
                        and a.state <> 'idle');
    exit when not active and (seen or looks > {LOOKS_BEFORE});
    seen := seen or active;
    execute {queue} into queue using {pid}, {source}, {long};
    if active and queue.in_the_way then
      perform pg_catalog.pg_cancel_backend({pid});
    end if;
  end loop;
end"
    );
    format!("do {}", sql::dollar_quoted(&body))
}
