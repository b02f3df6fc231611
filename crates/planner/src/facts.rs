//! What the planner has to know beyond the catalog: types, expressions, casts, sizes. The only
//! part of the planner that talks to a server.

use std::collections::{BTreeMap, BTreeSet};

use crossfade_plan::file::{Operation, PlanFile, SqlText};
use crossfade_postgres::Queries;
use crossfade_postgres::catalog::facts::{self, Cast, Expression, Input, Rejection};
use crossfade_postgres::catalog::{CatalogError, Estimates, Table};

use crate::column_type::ColumnType;
use crate::operations;
use crate::questions::{self, Over, Question};
use crate::survivors;
use crate::target::TargetTable;

/// What the server says about the types of a plan file, by the text of the file.
pub type TypeAnswers = BTreeMap<String, TypeAnswer>;

/// What the server says about a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeAnswer {
    /// It has it.
    Known(Box<ColumnType>),
    /// It has not.
    Refused {
        /// The server's words.
        message: String,
    },
}

/// Everything that the planner asked the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The server's version, as in `server_version_num`: 150006.
    pub server_version_num: u32,
    /// The types that the plan file names.
    pub types: TypeAnswers,
    /// The expressions that the plan file has or that are carried over.
    pub expressions: BTreeMap<Question, Result<Expression, Rejection>>,
    /// The casts between two types, by OID; `None` where there is none.
    pub casts: BTreeMap<(u32, u32), Option<Cast>>,
    /// How large the table is; `None` where it could not be measured.
    pub estimates: Option<Estimates>,
}

/// Asks the server everything that [`plan`](crate::plan) needs, besides the catalog.
///
/// To be called in an open transaction whose `search_path` is `pg_catalog, pg_temp`, as that of
/// the triggers: a function in `public` that is found under a user's path would fail in the
/// application's write. After a refusal the transaction can only be rolled back.
pub async fn collect_facts(
    queries: &impl Queries,
    file: &PlanFile,
    table: &Table,
    server_version_num: u32,
) -> Result<Facts, CatalogError> {
    let mut types = TypeAnswers::new();
    for text in named_types(file) {
        let answer = match facts::data_type(queries, text.as_str()).await? {
            Ok(found) => TypeAnswer::Known(Box::new(found.into())),
            Err(rejection) => TypeAnswer::Refused {
                message: rejection.message,
            },
        };
        types.insert(text.as_str().to_owned(), answer);
    }

    let mut target = operations::target(file, table, &types);
    let survivors = survivors::find(&mut target);
    let asked = questions::of(&target, &survivors);
    let scopes = Scopes::of(table, &target);
    let mut expressions = BTreeMap::new();
    let mut pairs: BTreeSet<(u32, u32)> = BTreeSet::new();
    for ask in &asked {
        let inputs = scopes.inputs(ask.question.over);
        let answer = facts::expression(queries, &ask.question.text, inputs).await?;
        if let (Ok(found), Some(wanted)) = (&answer, ask.wanted_type()) {
            pairs.insert((found.type_oid, wanted));
        }
        expressions.insert(ask.question.clone(), answer);
    }
    pairs.extend(questions::type_changes(&target));
    let mut casts = BTreeMap::new();
    for (from, to) in pairs {
        casts.insert((from, to), facts::cast(queries, from, to).await?);
    }
    let estimates = Estimates::load(queries, table.oid).await?;
    Ok(Facts {
        server_version_num,
        types,
        expressions,
        casts,
        estimates,
    })
}

/// The columns that expressions may read.
pub(crate) struct Scopes<'a> {
    source: Vec<Input<'a>>,
    target: Vec<Input<'a>>,
}

impl<'a> Scopes<'a> {
    pub(crate) fn of(table: &'a Table, target: &'a TargetTable<'_>) -> Self {
        let source = (table.columns.iter()).map(|column| Input {
            name: &column.name,
            sql_type: &column.sql_type,
        });
        let after = (target.columns.iter()).map(|column| Input {
            name: &column.name,
            sql_type: &column.column_type.sql_type,
        });
        Self {
            source: source.collect(),
            target: after.collect(),
        }
    }

    pub(crate) fn inputs(&self, over: Over) -> &[Input<'a>] {
        match over {
            Over::Source => &self.source,
            Over::Target => &self.target,
            Over::Nothing => &[],
        }
    }
}

impl From<facts::DataType> for ColumnType {
    fn from(found: facts::DataType) -> Self {
        Self {
            sql_type: found.sql_type,
            name: found.type_name,
            oid: found.type_oid,
            kind: found.type_kind,
            domain: found.domain,
            equality: found.equality,
            collation: None,
            deterministic: true,
        }
    }
}

fn named_types(file: &PlanFile) -> Vec<&SqlText> {
    file.operations
        .iter()
        .flat_map(|operation| match operation {
            Operation::AddColumn(op) => vec![&op.data_type],
            Operation::ChangeType(op) => vec![&op.data_type],
            Operation::SplitColumn(op) => op.into.iter().map(|part| &part.data_type).collect(),
            Operation::MergeColumns(op) => vec![&op.into.data_type],
            _ => Vec::new(),
        })
        .collect()
}
