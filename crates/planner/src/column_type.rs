//! The type of a column, as the catalogs and a plan file name it.

use crossfade_plan::QualifiedName;
use crossfade_plan::mapping::Operator;
use crossfade_postgres::catalog::{Column, Domain, TypeKind};

/// A type with its modifier and, for strings, its collation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// With its modifier, as `format_type` prints it under an empty `search_path`.
    pub sql_type: String,
    /// Its own name in the catalogs, without modifier.
    pub name: QualifiedName,
    /// Its OID.
    pub oid: u32,
    /// What kind of type.
    pub kind: TypeKind,
    /// What is below a domain.
    pub domain: Option<Domain>,
    /// `=` of its default btree operator class.
    pub equality: Option<Operator>,
    /// The collation, where it is not the type's own.
    pub collation: Option<QualifiedName>,
    /// Whether strings that compare equal are the same bytes.
    pub deterministic: bool,
}

impl ColumnType {
    /// The type of a column as it is.
    pub(crate) fn of(column: &Column) -> Self {
        Self {
            sql_type: column.sql_type.clone(),
            name: column.type_name.clone(),
            oid: column.type_oid,
            kind: column.type_kind,
            domain: column.domain.clone(),
            equality: column.equality.clone(),
            collation: column.collation.clone(),
            deterministic: column.deterministic,
        }
    }

    /// The short name of one of PostgreSQL's own types: `int4`, `varchar`.
    pub(crate) fn builtin(&self) -> Option<&str> {
        (self.name.schema.as_str() == "pg_catalog").then(|| self.name.name.as_str())
    }

    /// The numbers in the modifier: `numeric(10,2)` gives 10 and 2.
    pub(crate) fn modifier(&self) -> Vec<i64> {
        let Some((_, rest)) = self.sql_type.split_once('(') else {
            return Vec::new();
        };
        let Some((numbers, _)) = rest.split_once(')') else {
            return Vec::new();
        };
        numbers
            .split(',')
            .filter_map(|number| number.trim().parse().ok())
            .collect()
    }

    /// Whether it holds strings of one of the types that share `text`'s operators.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.builtin(), Some("text" | "varchar"))
    }

    /// Whether two values that compare equal are the same bytes.
    pub(crate) fn equality_is_identity(&self) -> bool {
        match self.builtin() {
            Some(
                "int2" | "int4" | "int8" | "uuid" | "timestamptz" | "timestamp" | "date" | "bool"
                | "oid" | "bytea",
            ) => true,
            Some("text" | "varchar") => self.deterministic,
            _ => false,
        }
    }
}

#[cfg(test)]
impl ColumnType {
    /// A type of PostgreSQL's own, of a deterministic collation if it has one.
    pub(crate) fn builtin_of(sql_type: &str, name: &str) -> Self {
        Self {
            sql_type: sql_type.to_owned(),
            name: QualifiedName::parse(&format!("pg_catalog.{name}")).expect("a name"),
            oid: 0,
            kind: TypeKind::Base,
            domain: None,
            equality: None,
            collation: None,
            deterministic: true,
        }
    }
}
