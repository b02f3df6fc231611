//! Bounds of intervals in SQL: predicates, the next boundary, the order of keys.
//!
//! Each operator is named with its schema, that of the equality by which the key's index finds
//! rows. Under the pinned `search_path` a bare `<` on a citext key would be that of text: another
//! order than the index's.

use std::fmt::Write as _;

use crossfade_dual_write::sql;
use crossfade_plan::Ident;
use crossfade_plan::mapping::KeyColumn;
use crossfade_postgres::rule;

use crate::interval::{Interval, Key};
use crate::sides::Sides;
use crate::statement::Statement;

/// Of which side a predicate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The source, bounds of its own key.
    Source,
    /// The target, bounds of the source's key: they pass through the key's image.
    Target,
}

/// A column compared with a parameter.
struct Part<'a> {
    column: String,
    value: String,
    schema: &'a Ident,
}

impl Sides {
    /// The statement that reads the key at which the next interval begins: `$1` rows after the
    /// lower bound of `interval` and within it. No row if fewer are left.
    ///
    /// From the index and never by arithmetic on the smallest and the largest key: those say
    /// nothing about where the rows are.
    pub fn boundary(&self, interval: &Interval) -> Statement {
        let mut statement = Statement::new(String::new());
        let conditions = self.within(interval, Of::Source, &mut statement);
        let order = sql::list(self.mapping.key.iter().map(|key| {
            format!(
                "{}.{} using operator({}.<)",
                sql::SOURCE_ALIAS,
                key.source,
                key.source_equality.schema
            )
        }));
        statement.sql = format!(
            "select {} as key from {}{} order by {order} offset $1::bigint limit 1",
            sql::key_text(&self.mapping.key, sql::SOURCE_ALIAS),
            sql::only(&self.mapping.source, sql::SOURCE_ALIAS),
            where_clause(&conditions),
        );
        statement
    }

    /// The statement that sorts keys of the source: `$1` is a JSON array of keys, the answer the
    /// places that they have in it, counted from 1, in the order of the keys.
    pub(crate) fn sort_keys(&self) -> String {
        let order = sql::list(
            self.mapping
                .key
                .iter()
                .zip(&self.collations)
                .enumerate()
                .map(|(at, (key, collate))| {
                    format!(
                        "((given.value ->> {at})::{}){collate} using operator({}.<)",
                        key.source_type, key.source_equality.schema
                    )
                }),
        );
        format!(
            "select given.place from pg_catalog.jsonb_array_elements($1) \
             with ordinality as given (value, place) order by {order}"
        )
    }

    /// The conditions that keep the rows of one side to an interval; their values go to
    /// `statement` as parameters.
    ///
    /// Half-open on both sides: a key belongs to exactly one of two intervals that meet.
    pub(crate) fn within(
        &self,
        interval: &Interval,
        of: Of,
        statement: &mut Statement,
    ) -> Vec<String> {
        let mut conditions = Vec::new();
        if let Some(lower) = &interval.lower {
            let symbol = if rule::holds("verify/half-open") {
                ">="
            } else {
                ">"
            };
            conditions.push(compare(&self.parts(lower, of, statement), symbol));
        }
        if let Some(upper) = &interval.upper {
            conditions.push(compare(&self.parts(upper, of, statement), "<"));
        }
        conditions
    }

    fn parts(&self, bound: &Key, of: Of, statement: &mut Statement) -> Vec<Part<'_>> {
        self.mapping
            .key
            .iter()
            .zip(bound)
            .map(|(key, text)| {
                let parameter = statement.text(text);
                part(key, of, &parameter)
            })
            .collect()
    }
}

fn part<'a>(key: &'a KeyColumn, of: Of, parameter: &str) -> Part<'a> {
    let mut value = format!("{parameter}::text::{}", key.source_type);
    match of {
        Of::Source => Part {
            column: format!("{}.{}", sql::SOURCE_ALIAS, key.source),
            value,
            schema: &key.source_equality.schema,
        },
        Of::Target => {
            if key.target_type != key.source_type {
                let _ = write!(value, "::{}", key.target_type);
            }
            Part {
                column: format!("{}.{}", sql::TARGET_ALIAS, key.target),
                value,
                schema: &key.target_equality.schema,
            }
        }
    }
}

/// A comparison of rows. The server turns a row comparison into one search of the index, which
/// needs one operator name for all columns; where the columns' operators live in several schemas,
/// the comparison is spelled out.
fn compare(parts: &[Part<'_>], symbol: &str) -> String {
    let [first, rest @ ..] = parts else {
        return "true".to_owned();
    };
    if rest.iter().all(|part| part.schema == first.schema) {
        let columns = sql::list(parts.iter().map(|part| &part.column));
        let values = sql::list(parts.iter().map(|part| &part.value));
        return if rest.is_empty() {
            format!("{columns} operator({}.{symbol}) {values}", first.schema)
        } else {
            format!(
                "row({columns}) operator({}.{symbol}) row({values})",
                first.schema
            )
        };
    }
    lexicographic(parts, symbol)
}

/// Each column bounds the index's search; those that follow count only where it is equal. Not as
/// `a > x or (a = x and ..)`: two searches and a sort of what they find would serve that.
fn lexicographic(parts: &[Part<'_>], symbol: &str) -> String {
    let or_equal = symbol.replace('=', "");
    match parts {
        [] => "true".to_owned(),
        [
            Part {
                column,
                value,
                schema,
            },
        ] => format!("{column} operator({schema}.{symbol}) {value}"),
        [
            Part {
                column,
                value,
                schema,
            },
            rest @ ..,
        ] => format!(
            "{column} operator({schema}.{or_equal}=) {value} and \
             (not {column} operator({schema}.=) {value} or ({}))",
            lexicographic(rest, symbol)
        ),
    }
}

/// Conditions as a WHERE clause with a leading space; empty without conditions.
pub(crate) fn where_clause(conditions: &[String]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" where {}", sql::all(conditions))
    }
}
