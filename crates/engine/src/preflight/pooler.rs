//! A pooler in transaction mode may stand in between, but not in the way of what no transaction can
//! hold.

use crossfade_plan::execution::Action;
use crossfade_postgres::{Pooling, Queries, QueryError, Session};
use tokio_postgres::types::Type;

use super::{Context, Finding, Outcome};
use crate::error::EngineError;

const CHECK: &str = "pooler";

/// What a plain role can read that no two databases have in common: when the server was started,
/// to the microsecond, and which of its databases this is. And whether the role may alter what
/// belongs to the table's owner.
const WHERE: &str = "select (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::int8, \
     d.oid::int8, pg_catalog.pg_has_role($1::text::pg_catalog.name, 'usage') \
     from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()";

const DIRECT: &str = "let --ddl-url lead to the PostgreSQL server itself";

/// Whether statements get a session of their own where they need one, and in the right database.
pub(super) async fn check(context: &Context<'_>, pooling: Pooling) -> Result<Finding, EngineError> {
    if context.database.has_direct_way() {
        return direct_way(context, pooling).await;
    }
    let steps = &context.expansion.plan.steps;
    let needs_session = steps
        .iter()
        .any(|step| matches!(step.action, Action::ConcurrentIndex { .. }));
    Ok(match pooling {
        Pooling::None => Finding::pass(CHECK, "no pooler stands in between"),
        Pooling::Undecided | Pooling::Transaction if !needs_session => Finding::pass(
            CHECK,
            "a pooler stands in between, and no step needs a session of its own",
        ),
        Pooling::Undecided => Finding::of(
            CHECK,
            Outcome::Unknown,
            "a pooler stands in between, and indexes are built in a session, which one in \
             transaction mode does not keep",
            format!(
                "give the address of the server itself with --ddl-url; or, if the pooler is in \
                 session mode, --accept-unknown {CHECK}"
            ),
        ),
        Pooling::Transaction => Finding::of(
            CHECK,
            Outcome::Fail,
            "a pooler in transaction mode stands in between, and indexes are built in a session, \
             which it does not keep",
            "give the address of the server itself with --ddl-url",
        ),
    })
}

/// The way past a pooler leads to the same place, past every pooler, as a role that may work there.
async fn direct_way(context: &Context<'_>, pooling: Pooling) -> Result<Finding, EngineError> {
    let direct = context.database.direct_pooling(context.tag).await?;
    if direct == Pooling::Transaction {
        return Ok(Finding::of(
            CHECK,
            Outcome::Fail,
            "--ddl-url leads to a pooler in transaction mode too",
            DIRECT,
        ));
    }
    let session = context.database.direct(context.tag).await?;
    let owner = &context.expansion.table.owner;
    let (server, database, _) = place(&context.session, owner.as_str()).await?;
    let (direct_server, direct_database, is_member) = place(&session, owner.as_str()).await?;
    if (server, database) != (direct_server, direct_database) {
        let what = if server == direct_server {
            "database"
        } else {
            "server"
        };
        return Ok(Finding::of(
            CHECK,
            Outcome::Fail,
            format!("--ddl-url leads to another {what} than the other connections"),
            "let both lead to the same database of the same server",
        ));
    }
    if !is_member {
        return Ok(Finding::of(
            CHECK,
            Outcome::Fail,
            format!("the role of --ddl-url is no member of the table's owner {owner}"),
            "use the same role on both ways",
        ));
    }
    Ok(match (direct, pooling) {
        (Pooling::None, Pooling::None) => Finding::pass(
            CHECK,
            "no pooler stands in between; --ddl-url leads to the same database",
        ),
        (Pooling::None, _) => Finding::pass(
            CHECK,
            "a pooler stands in between, and --ddl-url leads past it to the same database",
        ),
        _ => Finding::of(
            CHECK,
            Outcome::Unknown,
            "--ddl-url leads to a pooler, and whether it keeps a session cannot be told",
            format!("{DIRECT}; or, if the pooler is in session mode, --accept-unknown {CHECK}"),
        ),
    })
}

/// Server, database, and whether the role is a member of the table's owner.
async fn place(session: &Session, owner: &str) -> Result<(i64, i64, bool), EngineError> {
    let row = session.query_opt(WHERE, &[(&owner, Type::TEXT)]).await?;
    let Some(row) = row else {
        unreachable!("the current database is in pg_database");
    };
    let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    Ok(read().map_err(|error: tokio_postgres::Error| QueryError::from(error))?)
}
