//! Whether a role may evaluate an expression.

use crossfade_plan::Ident;
use tokio_postgres::error::SqlState;

use super::expression::{Input, explained};
use crate::query_error::QueryError;
use crate::session::Queries;

/// What a role lacks to evaluate an expression over the bare names of `inputs`, in the server's
/// words: EXECUTE on a function, also on that of an operator or a cast, USAGE on a schema, SELECT
/// on a table. `None` where it lacks nothing, where we may not ask as that role, and where it may
/// not even name the types of the inputs. Nothing is evaluated.
///
/// The server looks at the rights when it makes an expression ready to run, which EXPLAIN does too.
/// What a function calls in its body is not seen.
///
/// Works in an open transaction (`search_path` pinned), and leaves it and its role as they were.
pub async fn denied(
    queries: &impl Queries,
    role: &Ident,
    text: &str,
    inputs: &[Input<'_>],
) -> Result<Option<String>, QueryError> {
    if refusal(queries, role, "true", inputs).await?.is_some() {
        return Ok(None);
    }
    refusal(queries, role, text, inputs).await
}

async fn refusal(
    queries: &impl Queries,
    role: &Ident,
    text: &str,
    inputs: &[Input<'_>],
) -> Result<Option<String>, QueryError> {
    queries.batch("savepoint crossfade_role").await?;
    let asked = async {
        queries.batch(&format!("set local role {role}")).await?;
        let (head, tail) = explained(inputs);
        queries
            .query(&format!("{head}{text}{tail}"), &[])
            .await
            .map(drop)
    };
    let answer = asked.await;
    // The role comes back with it.
    queries
        .batch("rollback to savepoint crossfade_role")
        .await?;
    queries.batch("release savepoint crossfade_role").await?;
    match answer {
        Err(error) if error.is(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            Ok(error.message().map(str::to_owned))
        }
        Err(error) if error.sqlstate().is_none() => Err(error),
        // What else speaks against the expression is judged where it is asked for as ourselves.
        _ => Ok(None),
    }
}
