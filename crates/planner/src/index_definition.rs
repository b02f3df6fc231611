//! An index as `create index` makes it, from its parts.

use crossfade_dual_write::sql;
use crossfade_plan::file::{IndexExpression, NullsOrder, SortOrder, SqlText};
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{ConstraintKind, Index, IndexKey, KeyValue, Options};

use crate::target::{AddedIndex, AddedKey, TargetTable};

/// An index of the target.
#[derive(Debug, Clone)]
pub(crate) struct IndexDefinition<'a> {
    /// Its name after the swap.
    pub(crate) name: Ident,
    /// Its name until then; the same where that is free.
    pub(crate) built_as: Ident,
    pub(crate) unique: bool,
    pub(crate) constraint: Option<ConstraintKind>,
    /// The index that it takes the place of.
    pub(crate) carries: Option<&'a Index>,
    method: Ident,
    key: Vec<String>,
    /// The columns of the key by their names alone.
    key_columns: Vec<Ident>,
    include: Vec<Ident>,
    nulls_not_distinct: bool,
    options: Options,
    tablespace: Option<Ident>,
    predicate: Option<String>,
}

/// How an index is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// On an empty table, in a transaction.
    AtOnce,
    /// While others write.
    Concurrently,
}

impl<'a> IndexDefinition<'a> {
    /// The copy of an index of the source whose columns all live on. Expressions and predicate
    /// come in the names of the target.
    pub(crate) fn surviving(
        index: &'a Index,
        built_as: Ident,
        target: &TargetTable<'_>,
        expressions: &[String],
        predicate: Option<String>,
    ) -> Self {
        let names = target.new_names();
        let key_columns = index.key.iter().filter_map(|part| match &part.value {
            KeyValue::Column(source) => Some(names.get(source).unwrap_or(source).clone()),
            KeyValue::Expression(_) => None,
        });
        let key_columns = key_columns.collect();
        let mut expressions = expressions.iter();
        let key = index.key.iter().map(|part| match &part.value {
            KeyValue::Column(source) => {
                let name = names.get(source).unwrap_or(source);
                let column = target.column(name);
                let own = column.and_then(|column| column.column_type.collation.as_ref());
                // A type without collation takes none over.
                let collatable =
                    column.is_none_or(|column| !column.retyped || column.column_type.is_text());
                key_part(&name.to_string(), part, own, collatable)
            }
            KeyValue::Expression(own) => {
                key_part(expressions.next().unwrap_or(own), part, None, true)
            }
        });
        Self {
            name: index.name.clone(),
            built_as,
            unique: index.unique,
            constraint: index.constraint.as_ref().map(|constraint| constraint.kind),
            carries: Some(index),
            method: index.method.clone(),
            key: key.collect(),
            key_columns,
            include: index
                .include
                .iter()
                .map(|column| names.get(column).unwrap_or(column).clone())
                .collect(),
            nulls_not_distinct: index.nulls_not_distinct,
            options: index.options.clone(),
            tablespace: index.tablespace.clone(),
            predicate,
        }
    }

    /// An index that an operation adds.
    pub(crate) fn added(index: &AddedIndex) -> Self {
        let key = index.key.iter().map(|part| match part {
            AddedKey::Column(column) => column.to_string(),
            AddedKey::Expression(expression, _) => added_expression(expression),
        });
        Self {
            name: index.name.clone(),
            built_as: index.name.clone(),
            unique: index.unique,
            constraint: index.constraint.then_some(ConstraintKind::Unique),
            carries: None,
            method: index.method.clone(),
            key: key.collect(),
            key_columns: Vec::new(),
            include: index.include.clone(),
            nulls_not_distinct: index.nulls_not_distinct,
            options: Options::new(),
            tablespace: None,
            predicate: index
                .predicate
                .as_ref()
                .map(|predicate| format!("\n{predicate}\n")),
        }
    }

    /// `create index` on the target.
    pub(crate) fn create(&self, table: &QualifiedName, build: Build) -> String {
        let mut sql = format!(
            "create {}index {}{} on {table} using {} ({})",
            if self.unique { "unique " } else { "" },
            if build == Build::Concurrently {
                "concurrently "
            } else {
                ""
            },
            self.built_as,
            self.method,
            self.key.join(", "),
        );
        sql.push_str(&self.trailer());
        if let Some(predicate) = &self.predicate {
            append(&mut sql, format_args!(" where ({predicate})"));
        }
        sql
    }

    /// The constraint clause of a key that is made with its table. It takes names only: the index
    /// of a constraint has the collation of its columns.
    pub(crate) fn key_clause(&self) -> String {
        let kind = match self.constraint {
            Some(ConstraintKind::PrimaryKey) => "primary key",
            _ => "unique",
        };
        let mut sql = format!(
            "constraint {} {kind} ({})",
            self.built_as,
            sql::list(&self.key_columns)
        );
        if !self.include.is_empty() {
            append(
                &mut sql,
                format_args!(" include ({})", sql::list(&self.include)),
            );
        }
        sql.push_str(&with_options(&self.options));
        if let Some(tablespace) = &self.tablespace {
            append(
                &mut sql,
                format_args!(" using index tablespace {tablespace}"),
            );
        }
        sql
    }

    fn trailer(&self) -> String {
        let mut sql = String::new();
        if !self.include.is_empty() {
            append(
                &mut sql,
                format_args!(" include ({})", sql::list(&self.include)),
            );
        }
        if self.nulls_not_distinct {
            sql.push_str(" nulls not distinct");
        }
        sql.push_str(&with_options(&self.options));
        if let Some(tablespace) = &self.tablespace {
            append(&mut sql, format_args!(" tablespace {tablespace}"));
        }
        sql
    }
}

/// Puts a piece behind a statement.
pub(crate) fn append(sql: &mut String, piece: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = std::fmt::Write::write_fmt(sql, piece);
}

/// ` with (name = 'value', ...)`, or nothing.
pub(crate) fn with_options(options: &Options) -> String {
    if options.is_empty() {
        String::new()
    } else {
        format!(" with ({})", option_list(options))
    }
}

/// `name = 'value', ...`; a value that is a literal is taken for any kind of parameter.
pub(crate) fn option_list(options: &Options) -> String {
    sql::list(
        options
            .iter()
            .map(|(name, value)| format!("{name} = {}", sql::literal(value))),
    )
}

fn key_part(
    value: &str,
    part: &IndexKey,
    column_collation: Option<&QualifiedName>,
    collatable: bool,
) -> String {
    let mut sql = value.to_owned();
    if let Some(collation) = &part.collation {
        let is_default =
            collation.schema.as_str() == "pg_catalog" && collation.name.as_str() == "default";
        let is_columns = column_collation.map_or(is_default, |own| own == collation);
        if !is_columns && collatable {
            append(&mut sql, format_args!(" collate {collation}"));
        }
    }
    if !part.opclass_default || !part.opclass_options.is_empty() {
        append(&mut sql, format_args!(" {}", part.opclass));
        if !part.opclass_options.is_empty() {
            append(
                &mut sql,
                format_args!(" ({})", option_list(&part.opclass_options)),
            );
        }
    }
    if part.descending {
        sql.push_str(" desc");
    }
    if part.nulls_first != part.descending {
        sql.push_str(if part.nulls_first {
            " nulls first"
        } else {
            " nulls last"
        });
    }
    sql
}

fn added_expression(expression: &IndexExpression) -> String {
    let mut sql = format!("(\n{}\n)", expression.expr);
    // A plan file names them as SQL does; only the server can say whether they are there.
    for (keyword, name) in [
        (" collate", &expression.collation),
        ("", &expression.opclass),
    ] {
        if let Some(name) = name {
            append(&mut sql, format_args!("{keyword} {}", quoted(name)));
        }
    }
    match expression.order {
        Some(SortOrder::Asc) => sql.push_str(" asc"),
        Some(SortOrder::Desc) => sql.push_str(" desc"),
        None => {}
    }
    match expression.nulls {
        Some(NullsOrder::First) => sql.push_str(" nulls first"),
        Some(NullsOrder::Last) => sql.push_str(" nulls last"),
        None => {}
    }
    sql
}

/// The quoted form of NAME or SCHEMA.NAME. Without a schema the name is PostgreSQL's own.
pub(crate) fn quoted(text: &SqlText) -> String {
    let text = text.as_str();
    match Ident::parse(text) {
        Ok(name) => format!("pg_catalog.{name}"),
        // `add_index` has checked that it is one of the two.
        Err(_) => {
            QualifiedName::parse(text).map_or_else(|_| String::new(), |name| name.to_string())
        }
    }
}
