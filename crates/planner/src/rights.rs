//! What the table's owner may not do: the triggers write as the owner, and each row that they could
//! not map would be a refused one.

use crossfade_plan::file::PlanFile;
use crossfade_plan::mapping::Value;
use crossfade_postgres::Queries;
use crossfade_postgres::catalog::facts::{self, Input};
use crossfade_postgres::catalog::{CatalogError, Table};

use crate::facts::{Facts, Scopes};
use crate::questions::{self, Over, Question};
use crate::target::TargetTable;
use crate::{operations, survivors};

/// What the owner lacks for one expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What the expression is: `the value of column "id"`.
    pub what: String,
    /// The server's words: `permission denied for function f`.
    pub message: String,
}

/// Asks the server, as the table's owner, for every expression and cast that a row goes through:
/// those of the plan file, and those that live on with the table. In the transaction of
/// [`collect_facts`](crate::collect_facts), after it. Tells nothing where the role is no member of
/// the owner.
pub async fn denied_to_owner(
    queries: &impl Queries,
    file: &PlanFile,
    table: &Table,
    facts: &Facts,
) -> Result<Vec<Denied>, CatalogError> {
    let mut target = operations::target(file, table, &facts.types);
    let survivors = survivors::find(&mut target);
    let written = questions::of(&target, &survivors)
        .into_iter()
        .map(|ask| (ask.question, ask.what));
    let asked: Vec<(Question, String)> = written.chain(casts(&target)).collect();
    let scopes = Scopes::of(table, &target);
    let mut denied = Vec::new();
    for (question, what) in asked {
        let inputs: &[Input<'_>] = scopes.inputs(question.over);
        let found = facts::denied(queries, &table.owner, &question.text, inputs).await?;
        denied.extend(found.map(|message| Denied { what, message }));
    }
    denied.dedup();
    Ok(denied)
}

/// The casts without an expression, both ways.
fn casts(target: &TargetTable<'_>) -> Vec<(Question, String)> {
    let cast = |over, from: &dyn std::fmt::Display, to: &str, what| {
        let text = format!("{from}::{to}");
        (Question { over, text }, what)
    };
    let mut asked = Vec::new();
    for column in &target.columns {
        if let Some(Value::Cast(from)) = column.image.as_ref().map(|image| &image.value) {
            let what = format!("the value of column {}", column.name);
            let to = &column.column_type.sql_type;
            asked.push(cast(Over::Source, from, to, what));
        }
    }
    for column in &target.source.columns {
        if let Some(Value::Cast(from)) = target.back.get(&column.name).map(|back| &back.value) {
            let what = format!("the way back of column {}", column.name);
            asked.push(cast(Over::Target, from, &column.sql_type, what));
        }
    }
    asked
}
