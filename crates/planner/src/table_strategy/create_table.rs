//! The target's own DDL: columns, key, storage, owner, rights, comments, and nothing that could
//! refuse or slow a row down while it is filled.

use std::collections::BTreeMap;

use crossfade_dual_write::sql;
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{
    Column, GeneratedKind, Options, Persistence, SequenceUse, Storage,
};

use super::access::{self, Kind};
use super::blueprint::Blueprint;
use super::sequences;
use crate::index_definition::{Build, append, option_list};
use crate::target::TargetColumn;

/// Every statement, in order.
pub(crate) fn statements(plan: &Blueprint<'_>) -> Vec<String> {
    let source = plan.target.source;
    let table = &plan.objects.target;
    let mut statements = vec![create(plan)];
    if plan.key.constraint.is_none() {
        statements.push(plan.key.create(table, Build::AtOnce));
    }
    for column in &plan.target.columns {
        statements.extend(column_settings(table, column));
    }
    statements.push(format!("alter table {table} owner to {}", source.owner));
    statements.extend(access::copy(Kind::Table, table, &source.owner, &source.acl));
    for column in &plan.target.columns {
        if let Some(carried) = column.carries {
            statements.extend(access::copy_column(table, &column.name, &carried.grants));
        }
    }
    for sequence in sequences::carried(plan.target, SequenceUse::Identity) {
        let name = sequence.temporary();
        statements.extend(access::copy(
            Kind::Sequence,
            &name,
            &source.owner,
            &sequence.old.acl,
        ));
        statements.extend(comment(
            "sequence",
            &name.to_string(),
            sequence.old.comment.as_deref(),
        ));
    }
    statements.extend(comment(
        "table",
        &table.to_string(),
        source.comment.as_deref(),
    ));
    for column in &plan.target.columns {
        if plan.is_not_null_at_once(column) {
            statements.extend(plan.not_null_comment(&column.name));
        }
        let text = column
            .carries
            .and_then(|carried| carried.comment.as_deref());
        statements.extend(comment("column", &format!("{table}.{}", column.name), text));
    }
    statements
}

/// `comment on`, where there is one.
pub(crate) fn comment(kind: &str, object: &str, text: Option<&str>) -> Option<String> {
    text.map(|text| format!("comment on {kind} {object} is {}", sql::literal(text)))
}

fn create(plan: &Blueprint<'_>) -> String {
    let source = plan.target.source;
    let identities: BTreeMap<&Ident, _> = sequences::carried(plan.target, SequenceUse::Identity)
        .into_iter()
        .map(|sequence| (sequence.column, sequence))
        .collect();
    let mut parts: Vec<String> = plan
        .target
        .columns
        .iter()
        .map(|column| {
            let mut clause = column_clause(column);
            if let (Some(identity), Some(sequence)) =
                (column.identity, identities.get(&column.name))
            {
                append(
                    &mut clause,
                    format_args!(" {}", sequence.identity_clause(identity)),
                );
            }
            if plan.is_not_null_at_once(column) {
                if let Some(name) = plan.not_null_name(&column.name) {
                    append(&mut clause, format_args!(" constraint {name}"));
                }
                clause.push_str(" not null");
            }
            clause
        })
        .collect();
    if plan.key.constraint.is_some() {
        parts.push(plan.key.key_clause());
    }
    let unlogged = if source.persistence == Persistence::Unlogged {
        "unlogged "
    } else {
        ""
    };
    let mut statement = format!(
        "create {unlogged}table {} (\n  {}\n)",
        plan.objects.target,
        parts.join(",\n  ")
    );
    if let Some(method) = &source.storage.access_method {
        append(&mut statement, format_args!(" using {method}"));
    }
    let toast = source.storage.toast_options.iter();
    let mut options: Options = source.storage.options.clone();
    options.extend(toast.map(|(name, value)| (format!("toast.{name}"), value.clone())));
    if !options.is_empty() {
        append(
            &mut statement,
            format_args!(" with ({})", option_list(&options)),
        );
    }
    if let Some(tablespace) = &source.storage.tablespace {
        append(&mut statement, format_args!(" tablespace {tablespace}"));
    }
    statement
}

fn column_clause(column: &TargetColumn<'_>) -> String {
    let mut clause = format!("{} {}", column.name, column.column_type.sql_type);
    let compression = column
        .carries
        .filter(|_| !column.retyped)
        .and_then(|old| old.compression);
    if let Some(compression) = compression {
        append(&mut clause, format_args!(" compression {compression}"));
    }
    if let Some(collation) = &column.column_type.collation {
        append(&mut clause, format_args!(" collate {collation}"));
    }
    if let Some(default) = column
        .default
        .as_ref()
        .filter(|_| column.late_default().is_none())
    {
        if column.carries.is_some() {
            append(&mut clause, format_args!(" default {default}"));
        } else {
            // A user's text may end in a comment.
            append(&mut clause, format_args!(" default (\n{default}\n)"));
        }
    }
    if let Some(generated) = &column.generated {
        let kind = match generated.kind {
            GeneratedKind::Stored => "stored",
            GeneratedKind::Virtual => "virtual",
        };
        append(
            &mut clause,
            format_args!(" generated always as ({}) {kind}", generated.expression),
        );
    }
    clause
}

fn column_settings(table: &QualifiedName, column: &TargetColumn<'_>) -> Vec<String> {
    let Some(old) = column.carries else {
        return Vec::new();
    };
    let alter = format!("alter table {table} alter column {}", column.name);
    let mut statements = Vec::new();
    if !column.retyped && usual_storage(old) != Some(old.storage) {
        statements.push(format!("{alter} set storage {}", old.storage));
    }
    if let Some(target) = old.statistics_target {
        statements.push(format!("{alter} set statistics {target}"));
    }
    if !old.options.is_empty() {
        statements.push(format!("{alter} set ({})", option_list(&old.options)));
    }
    statements
}

/// Where PostgreSQL's own common types put long values; `None` where that is not known here.
fn usual_storage(column: &Column) -> Option<Storage> {
    if column.type_name.schema.as_str() != "pg_catalog" {
        return None;
    }
    match column.type_name.name.as_str() {
        "bool" | "int2" | "int4" | "int8" | "float4" | "float8" | "uuid" | "date" | "time"
        | "timetz" | "timestamp" | "timestamptz" | "interval" | "oid" => Some(Storage::Plain),
        "text" | "varchar" | "bpchar" | "bytea" | "json" | "jsonb" => Some(Storage::Extended),
        "numeric" | "inet" | "cidr" => Some(Storage::Main),
        _ => None,
    }
}
