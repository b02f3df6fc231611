//! Bounds of intervals in SQL: predicates, the next boundary, the order of keys.
//!
//! Each operator is that of the key's index, named with its schema. Under the pinned `search_path` a
//! bare `<` on a citext key would be that of text: another order than the index's.

use std::fmt::Write as _;

use crossfade_dual_write::sql;
use crossfade_plan::mapping::KeyColumn;
use crossfade_postgres::rule;

use crate::interval::{Interval, Key};
use crate::key_order::{KeyOrder, Strategy};
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
    order: &'a KeyOrder,
}

impl Part<'_> {
    fn compared(&self, strategy: Strategy) -> String {
        let operator = self.order.operator(strategy);
        format!("{} {operator} {}", self.column, self.value)
    }
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
        let orders = self.mapping.key.iter().zip(&self.source_orders);
        let order = sql::list(orders.map(|(key, order)| {
            format!(
                "{}.{} using {}",
                sql::SOURCE_ALIAS,
                key.source,
                order.operator(Strategy::Less)
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
                .zip(self.collations.iter().zip(&self.source_orders))
                .enumerate()
                .map(|(at, (key, (collate, order)))| {
                    format!(
                        "((given.value ->> {at})::{}){collate} using {}",
                        key.source_type,
                        order.operator(Strategy::Less)
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
            let strategy = if rule::holds("verify/half-open") {
                Strategy::GreaterOrEqual
            } else {
                Strategy::Greater
            };
            conditions.push(compare(&self.parts(lower, of, statement), strategy));
        }
        if let Some(upper) = &interval.upper {
            conditions.push(compare(&self.parts(upper, of, statement), Strategy::Less));
        }
        conditions
    }

    fn parts(&self, bound: &Key, of: Of, statement: &mut Statement) -> Vec<Part<'_>> {
        let orders = match of {
            Of::Source => &self.source_orders,
            Of::Target => &self.target_orders,
        };
        (self.mapping.key.iter().zip(orders))
            .zip(bound)
            .map(|((key, order), text)| {
                let parameter = statement.text(text);
                part(key, order, of, &parameter)
            })
            .collect()
    }
}

fn part<'a>(key: &KeyColumn, order: &'a KeyOrder, of: Of, parameter: &str) -> Part<'a> {
    let mut value = format!("{parameter}::text::{}", key.source_type);
    match of {
        Of::Source => Part {
            column: format!("{}.{}", sql::SOURCE_ALIAS, key.source),
            value,
            order,
        },
        Of::Target => {
            if key.target_type != key.source_type {
                let _ = write!(value, "::{}", key.target_type);
            }
            Part {
                column: format!("{}.{}", sql::TARGET_ALIAS, key.target),
                value,
                order,
            }
        }
    }
}

/// A comparison of rows. The server turns a row comparison into one search of the index, which
/// needs one operator name for all columns; where the columns' operators live in several schemas or
/// have several names, the comparison is spelled out.
fn compare(parts: &[Part<'_>], strategy: Strategy) -> String {
    let [first, rest @ ..] = parts else {
        return "true".to_owned();
    };
    let operator = first.order.operator(strategy);
    if rest.is_empty() || (rest.iter()).any(|part| part.order.operator(strategy) != operator) {
        return lexicographic(parts, strategy);
    }
    let columns = sql::list(parts.iter().map(|part| &part.column));
    let values = sql::list(parts.iter().map(|part| &part.value));
    format!("row({columns}) {operator} row({values})")
}

/// Each column bounds the index's search; those that follow count only where it is equal. Not as
/// `a > x or (a = x and ..)`: two searches and a sort of what they find would serve that.
fn lexicographic(parts: &[Part<'_>], strategy: Strategy) -> String {
    match parts {
        [] => "true".to_owned(),
        [part] => part.compared(strategy),
        [part, rest @ ..] => format!(
            "{} and (not {} or ({}))",
            part.compared(strategy.or_equal()),
            part.compared(Strategy::Equal),
            lexicographic(rest, strategy)
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
