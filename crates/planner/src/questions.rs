//! The expressions that the server must accept, what they are read over, and what they must give.

use crossfade_plan::file::PlanPath;
use crossfade_plan::mapping::{Value, Volatility};
use crossfade_postgres::catalog::facts::CastContext;

use crate::column_type::ColumnType;
use crate::error::{PlanError, PlanErrorKind};
use crate::facts::Facts;
use crate::index_definition::quoted;
use crate::moment;
use crate::survivors::Survivors;
use crate::target::{AddedKey, TargetTable};

/// What the bare names of an expression are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Over {
    /// Columns of the source, as they are now.
    Source,
    /// Columns of the target.
    Target,
    /// There are none.
    Nothing,
}

/// An expression, and what it is read over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// What its bare names are.
    pub over: Over,
    /// Its text.
    pub text: String,
}

/// A question, and what depends on the answer.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) question: Question,
    pub(crate) path: PlanPath,
    /// What the expression is, for messages: `up of column "id"`.
    pub(crate) what: String,
    pub(crate) wanted: Wanted,
    /// Whether the text is the plan file's, so that a position in it helps.
    pub(crate) of_the_file: bool,
}

/// What an expression must give.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A value that can be stored in a column of this type.
    Stored(Box<ColumnType>),
    /// True or false.
    Boolean,
    /// Anything.
    Any,
}

const BOOLEAN: &str = "boolean";

impl Ask {
    /// The OID of the type that the value is stored as.
    pub(crate) fn wanted_type(&self) -> Option<u32> {
        match &self.wanted {
            Wanted::Stored(column_type) => Some(column_type.oid),
            Wanted::Boolean | Wanted::Any => None,
        }
    }

    /// What speaks against the expression, by the facts.
    pub(crate) fn judge(&self, facts: &Facts) -> Result<Volatility, PlanError> {
        let error = |kind, message: String| PlanError::new(kind, self.path.clone(), message);
        let found = match facts.expressions.get(&self.question) {
            Some(Ok(found)) => found,
            Some(Err(rejection)) => {
                let place = match rejection.position {
                    Some(at) if self.of_the_file => format!(" (at character {at} of it)"),
                    _ => String::new(),
                };
                let refused = error(
                    PlanErrorKind::Expression,
                    format!("{} is refused: {}{place}", self.what, rejection.message),
                );
                let help = rejection
                    .hint
                    .clone()
                    .unwrap_or_else(|| self.names_in_scope().to_owned());
                return Err(refused.help(help));
            }
            None => {
                let message = format!("nothing is known about {}", self.what);
                return Err(error(PlanErrorKind::Unsound, message));
            }
        };
        match &self.wanted {
            Wanted::Any => {}
            Wanted::Boolean if found.sql_type == BOOLEAN => {}
            Wanted::Boolean => {
                let message = format!("{} gives {}, not boolean", self.what, found.sql_type);
                return Err(error(PlanErrorKind::Expression, message));
            }
            Wanted::Stored(column_type) => {
                let cast = facts
                    .casts
                    .get(&(found.type_oid, column_type.oid))
                    .copied()
                    .flatten();
                if cast.is_none_or(|cast| cast.context > CastContext::Assignment) {
                    let message = format!(
                        "{} gives {}, which can't be stored as {}",
                        self.what, found.sql_type, column_type.sql_type
                    );
                    let help =
                        format!("cast it in the expression: (...)::{}", column_type.sql_type);
                    return Err(error(PlanErrorKind::Expression, message).help(help));
                }
            }
        }
        if self.of_the_file && moment::searches_by_default(&self.question.text) {
            let message = format!(
                "{} searches text by default_text_search_config, which each session may set for itself",
                self.what
            );
            return Err(error(PlanErrorKind::Expression, message)
                .help("name the configuration: to_tsvector('english', ...)"));
        }
        if self.of_the_file && moment::is_read_by(&self.question.text) {
            return Ok(Volatility::Volatile);
        }
        Ok(found.volatility)
    }

    fn names_in_scope(&self) -> &'static str {
        match self.question.over {
            Over::Source => {
                "it sees the columns of the table as they are now; functions that are not \
                 PostgreSQL's own need their schema"
            }
            Over::Target => {
                "it sees the columns as they will be; functions that are not PostgreSQL's own need \
                 their schema"
            }
            Over::Nothing => "a default sees no column",
        }
    }
}

/// Everything that the server must accept for this target.
pub(crate) fn of(target: &TargetTable<'_>, survivors: &Survivors<'_>) -> Vec<Ask> {
    let mut asked = Vec::new();
    values(target, &mut asked);
    ways_back(target, &mut asked);
    conditions(target, &mut asked);
    for carried in &survivors.conditions {
        asked.push(Ask {
            question: Question {
                over: Over::Target,
                text: carried.expression.clone(),
            },
            path: PlanPath::top("table"),
            what: carried.subject.clone(),
            wanted: if carried.boolean {
                Wanted::Boolean
            } else {
                Wanted::Any
            },
            of_the_file: false,
        });
    }
    asked
}

impl Ask {
    /// An expression of the plan file.
    fn written(over: Over, text: &str, path: &PlanPath, what: String, wanted: Wanted) -> Self {
        let question = Question {
            over,
            text: text.to_owned(),
        };
        Self {
            question,
            path: path.clone(),
            what,
            wanted,
            of_the_file: true,
        }
    }
}

/// What the columns of the target are set to, by images and defaults.
fn values(target: &TargetTable<'_>, asked: &mut Vec<Ask>) {
    for column in &target.columns {
        let wanted = || Wanted::Stored(Box::new(column.column_type.clone()));
        if let Some(image) = &column.image
            && let Value::Expression(text) = &image.value
        {
            let what = format!("the value of column {}", column.name);
            asked.push(Ask::written(
                Over::Source,
                text,
                &image.path,
                what,
                wanted(),
            ));
        }
        let changed = column.carries.is_none() || column.retyped;
        if let Some(default) = column.default.as_ref().filter(|_| changed) {
            let what = format!("the default of column {}", column.name);
            let path = column.default_path.as_ref().unwrap_or(&column.path);
            asked.push(Ask {
                of_the_file: column.default_path.is_some(),
                ..Ask::written(Over::Nothing, default, path, what, wanted())
            });
        }
    }
}

/// What the columns of the source are set to on the way back.
fn ways_back(target: &TargetTable<'_>, asked: &mut Vec<Ask>) {
    for column in &target.source.columns {
        if let Some(back) = target.back.get(&column.name)
            && let Value::Expression(text) = &back.value
        {
            let what = format!("the way back of column {}", column.name);
            let wanted = Wanted::Stored(Box::new(ColumnType::of(column)));
            asked.push(Ask::written(Over::Target, text, &back.path, what, wanted));
        }
    }
}

/// What added constraints and indexes read.
fn conditions(target: &TargetTable<'_>, asked: &mut Vec<Ask>) {
    for down in &target.checked_only {
        let what = format!("the way back of column {}", down.column);
        asked.push(Ask::written(
            Over::Target,
            &down.text,
            &down.path,
            what,
            Wanted::Any,
        ));
    }
    for check in &target.checks {
        let what = format!("constraint {}", check.name);
        let text = check.check.as_str();
        asked.push(Ask::written(
            Over::Target,
            text,
            &check.path,
            what,
            Wanted::Boolean,
        ));
    }
    for index in &target.indexes {
        let what = format!("index {}", index.name);
        for part in &index.key {
            if let AddedKey::Expression(expression, path) = part {
                // The collation is part of what the server is asked; an operator class can't be.
                let text = match &expression.collation {
                    Some(collation) => {
                        format!("(\n{}\n) collate {}", expression.expr, quoted(collation))
                    }
                    None => expression.expr.as_str().to_owned(),
                };
                let ask = Ask::written(Over::Target, &text, path, what.clone(), Wanted::Any);
                asked.push(ask);
            }
        }
        if let Some(predicate) = &index.predicate {
            let text = predicate.as_str();
            asked.push(Ask::written(
                Over::Target,
                text,
                &index.predicate_path,
                what,
                Wanted::Boolean,
            ));
        }
    }
}

/// The pairs of types that values are cast between without an expression, both ways.
pub(crate) fn type_changes(target: &TargetTable<'_>) -> Vec<(u32, u32)> {
    target
        .columns
        .iter()
        .filter(|column| column.retyped)
        .filter_map(|column| Some((column.carries?.type_oid, column.column_type.oid)))
        .flat_map(|(old, new)| [(old, new), (new, old)])
        .collect()
}
