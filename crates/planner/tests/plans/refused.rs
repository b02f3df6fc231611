//! What can't be done is refused with its place in the plan file, and nothing is changed.

use crossfade_plan::Ident;
use crossfade_plan::file::PlanFile;
use crossfade_planner::{PlanErrorKind, PlannerSettings, collect_facts, plan};
use crossfade_postgres::TransactionSettings;
use crossfade_postgres::catalog::Catalog;
use crossfade_testkit::Result;

use crate::fixture::Fixture;

const SCHEMA: &str = "
    create table public.t (
        id int primary key, a text, b int check (b > 0), g int generated always as (b * 2) stored,
        at timestamp, big int unique deferrable initially deferred);
    create table public.plain (
        id int primary key, a text, b int check (b > 0), g int generated always as (b * 2) stored,
        at timestamp, u text);
    create index plain_part on public.plain (a) where b > 1;
    create table public.no_key (a int, b int not null);
    create unique index no_key_a on public.no_key (a);
    create table public.late (id int primary key deferrable);
    create table public.booked (id int primary key, span int4range, exclude using gist (span with &&));
    create table public.text_key (id text primary key)";

/// Table, operations, the kind of the error, its path, and a part of its message.
const CASES: &[(&str, &str, PlanErrorKind, &str, &str)] = &[
    (
        "plain",
        "drop_column: { column: nope }",
        PlanErrorKind::UnknownColumn,
        "operations[0].drop_column.column",
        "no column",
    ),
    (
        "plain",
        "rename_column: { column: a, to: b }",
        PlanErrorKind::NameTaken,
        "operations[0].rename_column.to",
        "already",
    ),
    (
        "plain",
        "add_column: { name: n, type: serial }",
        PlanErrorKind::Type,
        "operations[0].add_column.type",
        "serial",
    ),
    (
        "plain",
        "add_column: { name: n, type: int, not_null: true }",
        PlanErrorKind::Type,
        "operations[0].add_column.not_null",
        "refuses NULL",
    ),
    (
        "plain",
        "add_column: { name: n, type: int, up: nope + 1 }",
        PlanErrorKind::Expression,
        "operations[0].add_column.up",
        "nope",
    ),
    (
        "plain",
        "add_column: { name: n, type: tsvector, up: to_tsvector(a) }",
        PlanErrorKind::Expression,
        "operations[0].add_column.up",
        "default_text_search_config",
    ),
    (
        "plain",
        "add_column: { name: n, type: int, up: a }",
        PlanErrorKind::Expression,
        "operations[0].add_column.up",
        "can't be stored",
    ),
    (
        "plain",
        "add_column: { name: n, type: int, default: b }",
        PlanErrorKind::Expression,
        "operations[0].add_column.default",
        "b",
    ),
    (
        "plain",
        "change_type: { column: b, type: point }",
        PlanErrorKind::Cast,
        "operations[0].change_type.type",
        "no cast",
    ),
    (
        "plain",
        "change_type: { column: g, type: bigint }",
        PlanErrorKind::Dependent,
        "operations[0].change_type.column",
        "generated",
    ),
    (
        "plain",
        "change_type: { column: at, type: timestamptz }",
        PlanErrorKind::Cast,
        "operations[0].change_type.type",
        "time zone",
    ),
    (
        "plain",
        "change_type: { column: b, type: bigint }",
        PlanErrorKind::Dependent,
        "table",
        "generated column",
    ),
    (
        "plain",
        "drop_column: { column: id }",
        PlanErrorKind::Key,
        "operations[0].drop_column.column",
        "part of the key",
    ),
    (
        "plain",
        "change_type: { column: id, type: bigint, up: id + 1 }",
        PlanErrorKind::Key,
        "operations[0].change_type.type",
        "become one",
    ),
    (
        "text_key",
        "change_type: { column: id, type: uuid }",
        PlanErrorKind::Key,
        "operations[0].change_type.type",
        "become one",
    ),
    (
        "plain",
        "add_check: { name: c, check: b + 1 }",
        PlanErrorKind::Expression,
        "operations[0].add_check.check",
        "not boolean",
    ),
    (
        "plain",
        "add_check: { name: plain_b_check, check: b > 1 }",
        PlanErrorKind::NameTaken,
        "operations[0].add_check.name",
        "already",
    ),
    (
        "plain",
        "add_index: { name: plain_part, columns: [a] }",
        PlanErrorKind::NameTaken,
        "operations[0].add_index.name",
        "already",
    ),
    (
        "plain",
        "add_index: { name: i, columns: [nope] }",
        PlanErrorKind::UnknownColumn,
        "operations[0].add_index.columns[0]",
        "no column",
    ),
    (
        "plain",
        "add_unique: { columns: [nope] }",
        PlanErrorKind::UnknownColumn,
        "operations[0].add_unique.columns[0]",
        "no column",
    ),
    (
        "no_key",
        "add_column: { name: n, type: int }",
        PlanErrorKind::Key,
        "table",
        "no primary key",
    ),
    (
        "late",
        "add_column: { name: n, type: int }",
        PlanErrorKind::Dependent,
        "table",
        "deferrable",
    ),
    (
        "t",
        "add_column: { name: n, type: int }",
        PlanErrorKind::Dependent,
        "table",
        "deferrable",
    ),
    (
        "booked",
        "add_column: { name: n, type: int }",
        PlanErrorKind::Dependent,
        "table",
        "exclusion",
    ),
    (
        "plain",
        "add_index: { name: i, columns: [a, { expr: nope(a) }] }",
        PlanErrorKind::Expression,
        "operations[0].add_index.columns[1].expr",
        "nope",
    ),
    (
        "plain",
        "add_index: { name: i, columns: [{ expr: a, collation: nowhere }] }",
        PlanErrorKind::Expression,
        "operations[0].add_index.columns[0].expr",
        "collation",
    ),
    (
        "plain",
        "add_index: { name: i, columns: [{ expr: a, opclass: a b }] }",
        PlanErrorKind::Expression,
        "operations[0].add_index.columns[0]",
        "no name",
    ),
    (
        "plain",
        "add_index: { name: i, columns: [a], where: a }",
        PlanErrorKind::Expression,
        "operations[0].add_index.where",
        "not boolean",
    ),
    (
        "plain",
        "add_column: { name: n, type: int, down: nope }",
        PlanErrorKind::Expression,
        "operations[0].add_column.down",
        "nope",
    ),
    (
        "plain",
        "drop_column: { column: u, down: a + 1 }",
        PlanErrorKind::Expression,
        "operations[0].drop_column.down",
        "way back",
    ),
    (
        "plain",
        "split_column: { column: u, into: [ { name: v, type: int, up: u } ] }",
        PlanErrorKind::Expression,
        "operations[0].split_column.into[0].up",
        "can't be stored",
    ),
    (
        "plain",
        "merge_columns: { columns: [a, u], into: { name: v, type: nope, up: a } }",
        PlanErrorKind::Type,
        "operations[0].merge_columns.into.type",
        "nope",
    ),
    (
        "plain",
        "set_not_null: { column: u, up: 1 + 1 }",
        PlanErrorKind::Expression,
        "operations[0].set_not_null.up",
        "CASE",
    ),
];

#[tokio::test]
async fn each_with_its_place() -> Result<()> {
    let fixture = Fixture::new(SCHEMA).await?;
    for (table, operation, kind, path, part) in CASES {
        let text = format!("name: m\ntable: {table}\noperations:\n  - {operation}\n");
        let parsed = PlanFile::parse(&text).map_err(|errors| format!("{errors:?}"))?;
        let Err(errors) = fixture.plan(&parsed.plan).await? else {
            return Err(format!("{table}: {operation} was accepted").into());
        };
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let found = errors.iter().any(|error| {
            error.kind == *kind && error.path.to_string() == *path && error.message.contains(part)
        });
        assert!(found, "{table}: {operation}: {all:?}");
        // Every path leads to a place in the text.
        for error in errors.iter() {
            assert!(
                parsed.positions.find(&error.path).line > 1,
                "{}",
                error.path
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_an_older_server_lacks() -> Result<()> {
    let fixture = Fixture::new(SCHEMA).await?;
    let text = "name: m\ntable: plain\noperations:\n  - add_unique: { columns: [a], nulls_not_distinct: true }\n";
    let file = PlanFile::parse(text)
        .map_err(|errors| format!("{errors:?}"))?
        .plan;
    let transaction = fixture
        .connect()?
        .begin("test", &TransactionSettings::default())
        .await?;
    let catalog = Catalog::load(&transaction, &file.table)
        .await?
        .ok_or("no such table")?;
    let mut facts = collect_facts(&transaction, &file, &catalog.table, 150_000).await?;
    transaction.rollback().await?;
    let settings = PlannerSettings {
        state_schema: Ident::new("crossfade")?,
    };
    assert!(plan(&file, &catalog.table, &facts, &settings).is_ok());
    facts.server_version_num = 140_012;
    let errors = plan(&file, &catalog.table, &facts, &settings)
        .err()
        .ok_or("accepted")?;
    assert!(
        errors.first().message.contains("needs PostgreSQL 15"),
        "{errors}"
    );
    Ok(())
}
