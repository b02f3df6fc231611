//! Compares a table with what it should have become, and looks for what was left behind.

use std::collections::BTreeSet;

use crossfade_plan::QualifiedName;
use crossfade_plan::fingerprint::{CatalogParts, drift};
use crossfade_postgres::catalog::Table;

use crate::{Result, Session};

/// Stands for the table's own name; no name can hold it.
const TABLE: &str = "\u{1}table\u{1}";

const OURS: &str = include_str!("everything_of_ours.sql");

/// What differs between two tables, whatever they are called: the parts by name, with both texts
/// where both have the part. Empty when one is as good as the other.
///
/// The names of indexes, constraints and sequences count: a swap gives them back.
pub fn diff(a: &Table, b: &Table) -> Vec<String> {
    let (a, b) = (normalised(a), normalised(b));
    drift(&a, &b)
        .into_iter()
        .map(|found| match (a.get(&found.part), b.get(&found.part)) {
            (Some(a), Some(b)) => format!("{}: {a} is not {b}", found.part),
            (Some(a), None) => format!("{} is missing: {a}", found.part),
            (None, Some(b)) => format!("{} is too much: {b}", found.part),
            (None, None) => found.part,
        })
        .map(|line| line.replace(TABLE, "TABLE"))
        .collect()
}

/// Every object of the database whose name says that Crossfade made it, outside the schemas
/// `state_schemas`: kind and identity, in the order of the text.
pub async fn everything_of_ours(session: &Session, state_schemas: &[&str]) -> Result<Vec<String>> {
    let rows = session.client().query(OURS, &[&state_schemas]).await?;
    let found: BTreeSet<String> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<std::result::Result<_, _>>()?;
    Ok(found.into_iter().collect())
}

fn normalised(table: &Table) -> CatalogParts {
    let spellings = spellings(&table.name);
    let neutral = |text: &str| {
        spellings
            .iter()
            .fold(text.to_owned(), |text, spelling| replaced(&text, spelling))
    };
    table
        .parts()
        .iter()
        .map(|(part, text)| (neutral(part), neutral(text)))
        .collect()
}

/// The ways in which parts write a table's name: each half quoted or, where it needs no quotes,
/// bare (the server quotes keywords too); within a JSON text, where quotes are escaped; as a
/// structure; and without the schema in front of a column, as views print it.
fn spellings(name: &QualifiedName) -> Vec<String> {
    let tables = written(name.name.as_str());
    let mut all: Vec<String> = tables.iter().map(|table| format!("{table}.")).collect();
    for schema in written(name.schema.as_str()) {
        all.extend(tables.iter().map(|table| format!("{schema}.{table}")));
    }
    for text in all.clone() {
        let escaped = serde_json::Value::String(text).to_string();
        all.push(escaped[1..escaped.len() - 1].to_owned());
    }
    all.extend(serde_json::to_string(name));
    // The longest first, lest a part of it is replaced before.
    all.sort_by_key(|text| std::cmp::Reverse(text.len()));
    all
}

fn written(name: &str) -> Vec<String> {
    let bare = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let quoted = postgres_protocol::escape::escape_identifier(name);
    if bare {
        vec![quoted, name.to_owned()]
    } else {
        vec![quoted]
    }
}

/// Replaces whole names only: `public.orders` is no part of `public.orders_pkey`.
fn replaced(text: &str, name: &str) -> String {
    let in_name = |character: char| character.is_alphanumeric() || character == '_';
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let after = &found[name.len()..];
        let begins = !(name.starts_with(in_name) && before.ends_with(|c| in_name(c) || c == '.'));
        let ends = !(name.ends_with(in_name) && after.starts_with(in_name));
        result.push_str(before);
        result.push_str(if begins && ends { TABLE } else { name });
        rest = after;
    }
    result.push_str(rest);
    result
}
