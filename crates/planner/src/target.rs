//! The working model: what the table will look like, column by column, as the operations make it.

use std::collections::BTreeMap;

use crossfade_plan::Ident;
use crossfade_plan::file::{IndexExpression, PlanPath, SqlText};
use crossfade_plan::hazard::{Hazard, HazardId, Severity};
use crossfade_plan::mapping::Value;
use crossfade_postgres::catalog::{Column, ContextDependence, Generated, Identity, Table};

use crate::column_type::ColumnType;
use crate::error::{PlanError, PlanErrorKind};
use crate::facts::{TypeAnswer, TypeAnswers};

/// The target as far as the operations have made it, and what is wrong with them.
#[derive(Debug)]
pub(crate) struct TargetTable<'a> {
    /// The table as it is.
    pub(crate) source: &'a Table,
    /// The columns that it will have, in order.
    pub(crate) columns: Vec<TargetColumn<'a>>,
    /// How each column of the source follows from the target; without an entry it does not.
    pub(crate) back: BTreeMap<Ident, Written>,
    /// Ways back of columns that the source does not have: checked, and never used.
    pub(crate) checked_only: Vec<CheckedOnly>,
    /// The CHECKs that operations add.
    pub(crate) checks: Vec<AddedCheck>,
    /// The indexes and unique constraints that operations add.
    pub(crate) indexes: Vec<AddedIndex>,
    /// What somebody should know.
    pub(crate) hazards: Vec<Hazard>,
    /// What speaks against the plan.
    pub(crate) errors: Vec<PlanError>,
    types: &'a TypeAnswers,
}

/// A value, and the place in the plan file that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) value: Value,
    pub(crate) path: PlanPath,
}

/// One column of the target.
#[derive(Debug, Clone)]
pub(crate) struct TargetColumn<'a> {
    pub(crate) name: Ident,
    pub(crate) column_type: ColumnType,
    /// The column that it carries on under its own or another name or type: settings, comment and
    /// rights come from there.
    pub(crate) carries: Option<&'a Column>,
    /// Whether the type is another one than that of `carries`.
    pub(crate) retyped: bool,
    /// What a row of the source puts there; `None` leaves it to the default, or to `generated`.
    pub(crate) image: Option<Written>,
    pub(crate) default: Option<String>,
    /// Where a default of the plan file stands.
    pub(crate) default_path: Option<PlanPath>,
    pub(crate) generated: Option<Generated>,
    pub(crate) identity: Option<Identity>,
    pub(crate) not_null: bool,
    /// The operation that made or changed it.
    pub(crate) path: PlanPath,
}

/// An expression that the server must accept, and that nothing is made of.
#[derive(Debug)]
pub(crate) struct CheckedOnly {
    pub(crate) column: Ident,
    pub(crate) text: String,
    pub(crate) path: PlanPath,
}

/// A CHECK that the source does not have.
#[derive(Debug)]
pub(crate) struct AddedCheck {
    pub(crate) name: Ident,
    pub(crate) check: SqlText,
    pub(crate) path: PlanPath,
}

/// An index that the source does not have.
#[derive(Debug)]
pub(crate) struct AddedIndex {
    pub(crate) name: Ident,
    pub(crate) method: Ident,
    pub(crate) unique: bool,
    pub(crate) nulls_not_distinct: bool,
    /// Whether it becomes a constraint.
    pub(crate) constraint: bool,
    pub(crate) key: Vec<AddedKey>,
    pub(crate) include: Vec<Ident>,
    pub(crate) predicate: Option<SqlText>,
    pub(crate) predicate_path: PlanPath,
}

/// A part of the key of an added index.
#[derive(Debug)]
pub(crate) enum AddedKey {
    Column(Ident),
    Expression(IndexExpression, PlanPath),
}

impl TargetColumn<'_> {
    /// A default that the swap sets. One that draws from a sequence of the source would make the
    /// target depend on it: to everybody who looks, the source would have changed.
    pub(crate) fn late_default(&self) -> Option<&str> {
        let default = self.default.as_deref().filter(|_| self.carries.is_some());
        default.filter(|default| default.contains("nextval("))
    }
}

impl<'a> TargetTable<'a> {
    /// Whether a row has the columns that it had: names, types and order.
    pub(crate) fn row_is_unchanged(&self) -> bool {
        let old = &self.source.columns;
        self.columns.len() == old.len()
            && self
                .columns
                .iter()
                .zip(old)
                .all(|(now, old)| now.name == old.name && now.column_type.sql_type == old.sql_type)
    }

    /// The table as it is, before any operation.
    pub(crate) fn unchanged(source: &'a Table, types: &'a TypeAnswers) -> Self {
        let path = PlanPath::top("table");
        let columns = source.columns.iter().map(|column| TargetColumn {
            name: column.name.clone(),
            column_type: ColumnType::of(column),
            carries: Some(column),
            retyped: false,
            image: column.generated.is_none().then(|| Written {
                value: Value::Column(column.name.clone()),
                path: path.clone(),
            }),
            default: column.default.clone(),
            default_path: None,
            generated: column.generated.clone(),
            identity: column.identity,
            not_null: column.not_null,
            path: path.clone(),
        });
        let back = source
            .columns
            .iter()
            .filter(|column| column.generated.is_none())
            .map(|column| {
                let value = Value::Column(column.name.clone());
                (
                    column.name.clone(),
                    Written {
                        value,
                        path: path.clone(),
                    },
                )
            });
        Self {
            source,
            columns: columns.collect(),
            back: back.collect(),
            checked_only: Vec::new(),
            checks: Vec::new(),
            indexes: Vec::new(),
            hazards: Vec::new(),
            errors: Vec::new(),
            types,
        }
    }

    /// The column of this name.
    pub(crate) fn column(&self, name: &Ident) -> Option<&TargetColumn<'a>> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// Where the column that carries on `source` stands; an error at `path` if there is none.
    pub(crate) fn carrier(&mut self, source: &Ident, path: &PlanPath) -> Option<usize> {
        let found = self.columns.iter().position(|column| {
            column
                .carries
                .is_some_and(|carried| carried.name == *source)
        });
        if found.is_none() {
            let message = format!("{} has no column {source}", self.source.name);
            let error = PlanError::new(PlanErrorKind::UnknownColumn, path.clone(), message);
            self.errors.push(error.help(self.known_columns()));
        }
        found
    }

    /// A sentence with the columns that there are.
    pub(crate) fn known_columns(&self) -> String {
        let names: Vec<String> = self
            .source
            .columns
            .iter()
            .map(|column| column.name.to_string())
            .collect();
        format!("its columns are {}", names.join(", "))
    }

    /// The type that a plan file names; an error at `path` if the server has none.
    pub(crate) fn named_type(&mut self, name: &SqlText, path: &PlanPath) -> Option<ColumnType> {
        match self.types.get(name.as_str()) {
            Some(TypeAnswer::Known(found)) => Some(ColumnType::clone(found)),
            Some(TypeAnswer::Refused { message }) => {
                let error = PlanError::new(PlanErrorKind::Type, path.clone(), message.clone());
                self.errors.push(error.help(
                    "name the type as SQL does, with its schema unless it is PostgreSQL's own; \
                     serial is no type: add a column of type bigint",
                ));
                None
            }
            None => {
                let message = format!("nothing is known about the type {name}");
                self.errors
                    .push(PlanError::new(PlanErrorKind::Type, path.clone(), message));
                None
            }
        }
    }

    /// Notes that an operation can't be done.
    pub(crate) fn refuse(
        &mut self,
        kind: PlanErrorKind,
        path: PlanPath,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors
            .push(PlanError::new(kind, path, message).help(help));
    }

    /// Notes what somebody should know.
    pub(crate) fn warn(
        &mut self,
        id: HazardId,
        severity: Severity,
        subject: impl Into<String>,
        explanation: impl Into<String>,
        remedy: impl Into<String>,
    ) -> &mut Hazard {
        self.hazards.push(Hazard {
            id,
            severity,
            subject: subject.into(),
            explanation: explanation.into(),
            remedy: remedy.into(),
            bytes: None,
        });
        let last = self.hazards.len() - 1;
        &mut self.hazards[last]
    }

    /// Code that dual-write runs on one of the sides and that depends on the session. A default
    /// runs only where the way back has no value for its column.
    pub(crate) fn context_dependences(&self) -> Vec<&'a ContextDependence> {
        let source = self.source;
        let runs = |one: &&ContextDependence| {
            let given = |column| self.back.contains_key(column);
            !one.default_of.as_ref().is_some_and(given)
        };
        source.context_dependences.iter().filter(runs).collect()
    }

    /// What each column of the source is called now, where it lives on.
    pub(crate) fn new_names(&self) -> BTreeMap<Ident, Ident> {
        self.columns
            .iter()
            .filter_map(|column| Some((column.carries?.name.clone(), column.name.clone())))
            .collect()
    }

    /// Refuses two columns of one name.
    pub(crate) fn check_names(&mut self) {
        for (at, column) in self.columns.iter().enumerate() {
            if self.columns[..at]
                .iter()
                .any(|other| other.name == column.name)
            {
                let written = if column.path == PlanPath::top("table") {
                    self.columns[..at]
                        .iter()
                        .find(|other| other.name == column.name)
                        .unwrap_or(column)
                } else {
                    column
                };
                let message = format!("there is a column {} already", column.name);
                self.errors.push(
                    PlanError::new(PlanErrorKind::NameTaken, written.path.clone(), message)
                        .help("choose another name, or drop or rename the column that has it"),
                );
            }
        }
    }

    /// Refuses names that the target will not have.
    pub(crate) fn expect_column(&mut self, name: &Ident, path: &PlanPath) -> bool {
        let found = self.column(name).is_some();
        if !found {
            let names: Vec<String> = self
                .columns
                .iter()
                .map(|column| column.name.to_string())
                .collect();
            let message = format!("the target has no column {name}");
            let help = format!("its columns are {}", names.join(", "));
            self.refuse(PlanErrorKind::UnknownColumn, path.clone(), message, help);
        }
        found
    }
}

impl TargetColumn<'_> {
    /// A column that is made from others.
    pub(crate) fn computed(
        name: &Ident,
        column_type: ColumnType,
        image: Written,
        path: PlanPath,
    ) -> Self {
        Self {
            name: name.clone(),
            column_type,
            carries: None,
            retyped: false,
            image: Some(image),
            default: None,
            default_path: None,
            generated: None,
            identity: None,
            not_null: false,
            path,
        }
    }
}
