//! A look at the server's plan of the chunk before the first one: a statement that reads a whole
//! table for each chunk would take days, and nobody would see why.

use crossfade_dual_write::chunk::{Existing, chunk_statement};
use crossfade_postgres::{Mode, Queries, TransactionSettings, rule};
use serde_json::Value;
use tokio_postgres::types::Type;

use crate::error::BackfillError;
use crate::job::{Job, chunk_settings};

/// Nodes that read more than the chunk. (A tiny target is read whole and kept in memory, which is as
/// it should be: each chunk is planned anew, by the target's size at that time.)
const TOO_MUCH: [&str; 4] = ["Seq Scan", "Hash Join", "Merge Join", "Sort"];

/// Fails if the server would not read the chunk by its tuple ids and the target by an index.
pub(crate) async fn check(job: &Job) -> Result<(), BackfillError> {
    let settings = TransactionSettings {
        mode: Mode::Write,
        ..chunk_settings()
    };
    let transaction = job
        .store
        .database()
        .begin(&job.tag("plan-shape"), &settings)
        .await?;
    let rows = transaction
        .query(
            &format!(
                "explain (format json, costs off) {}",
                chunk_statement(&job.mapping, Existing::LeftOut)
            ),
            &[(&"(0,0)", Type::TEXT), (&"(1,0)", Type::TEXT)],
        )
        .await?;
    transaction.rollback().await?;
    let plan: Value = match rows.first() {
        Some(row) => row
            .try_get(0)
            .map_err(crossfade_postgres::QueryError::from)?,
        None => Value::Null,
    };
    match offending(&plan) {
        Some(node) if rule::holds("backfill/plan-shape") => Err(BackfillError::PlanShape { node }),
        _ => Ok(()),
    }
}

/// The first node that reads too much, depth first.
fn offending(plan: &Value) -> Option<String> {
    match plan {
        Value::Array(items) => items.iter().find_map(offending),
        Value::Object(node) => match node.get("Node Type").and_then(Value::as_str) {
            Some(kind) if TOO_MUCH.contains(&kind) => Some(kind.to_owned()),
            _ => node.values().find_map(offending),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_a_whole_table_is_found_at_any_depth() {
        let plan = serde_json::json!([{"Plan": {"Node Type": "ModifyTable", "Plans": [
            {"Node Type": "Nested Loop", "Plans": [
                {"Node Type": "Tid Range Scan"}, {"Node Type": "Seq Scan"}]}]}}]);
        assert_eq!(offending(&plan).as_deref(), Some("Seq Scan"));
        let good = serde_json::json!([{"Plan": {"Node Type": "ModifyTable", "Plans": [
            {"Node Type": "Nested Loop", "Plans": [
                {"Node Type": "Tid Range Scan"}, {"Node Type": "Index Only Scan"}]}]}}]);
        assert_eq!(offending(&good), None);
    }
}
