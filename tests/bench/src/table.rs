//! The table that is measured: its rows, its plan, and what the peers' statements make of it.

use crossfade_plan::file::PlanFile;

use crate::Result;
use crate::server::{OWNER, Server};

/// The application's table.
pub(crate) const TABLE: &str = "public.leads";
/// Where the peers' statements copy it to.
pub(crate) const COPY: &str = "public.leads_copy";
/// Where a migration copies it to.
pub(crate) const TARGET: &str = "public.leads__new";

/// About 230 bytes a row, its header of 24 included, none of it compressible or out of line.
const CREATE: &str = "create table public.leads (
    id integer primary key,
    score integer not null,
    created_at timestamptz not null,
    name text not null,
    email text not null,
    status text not null,
    note text not null
)";

/// In the order of the key, as an application that only adds rows leaves it.
const FILL: &str = "insert into public.leads
    select k, k * 7919::bigint % 1000,
           '2024-05-06 00:00:00+00'::timestamptz + k * interval '1 second',
           'Ada Lovelace ' || k % 1000, k || '@example.com',
           (array['new', 'called', 'won', 'lost'])[k % 4 + 1],
           pg_catalog.left(pg_catalog.md5((k)::text) || pg_catalog.md5((k + 1)::text)
               || pg_catalog.md5((k + 2)::text) || pg_catalog.md5((k + 3)::text)
               || pg_catalog.md5((k + 4)::text), 122 + k % 48)
    from pg_catalog.generate_series(1, ";

/// The same shape as the target of the migration, with its primary key only.
const CREATE_COPY: &str = "create table public.leads_copy (
    id bigint primary key,
    score integer not null,
    created_at timestamptz not null,
    name text not null,
    email text not null,
    status text not null,
    note text not null,
    score_band integer
)";

/// What the copy is made of: the same expressions that the plan has.
pub(crate) const IMAGES: &str =
    "o.id::bigint, o.score, o.created_at, o.name, o.email, o.status, o.note, o.score / 10";

/// The name by which an index ends, and its columns.
const INDEXED: [(&str, &str); 3] = [
    ("email", "email"),
    ("created_at", "created_at"),
    ("status", "status, score"),
];

/// Builds three more indexes on a table: on an unordered text, on a time in the rows' order, on two
/// columns of few values.
pub(crate) async fn build_indexes(server: &Server, table: &str) -> Result<()> {
    let name = table.trim_start_matches("public.");
    for (suffix, columns) in INDEXED {
        let sql = format!("create index {name}_{suffix} on {table} ({columns})");
        server.admin.batch_execute(&sql).await?;
    }
    Ok(())
}

/// Makes the application's table, and leaves it as after a vacuum.
pub(crate) async fn create(server: &Server, rows: u32) -> Result<()> {
    let sql = format!(
        "{CREATE}; {FILL}{rows}) as series (k);
         alter table {TABLE} owner to {OWNER};
         grant select, insert, update, delete on {TABLE} to bench_app"
    );
    server.admin.batch_execute(&sql).await?;
    vacuum(server, &[TABLE]).await
}

/// Removes it.
pub(crate) async fn remove(server: &Server) -> Result<()> {
    let sql = format!("drop table {TABLE}");
    server.admin.batch_execute(&sql).await?;
    Ok(())
}

/// Makes the peers' target.
pub(crate) async fn create_copy(server: &Server) -> Result<()> {
    server.admin.batch_execute(CREATE_COPY).await?;
    Ok(())
}

/// Removes the peers' target.
pub(crate) async fn remove_copy(server: &Server) -> Result<()> {
    let sql = format!("drop table {COPY}");
    server.admin.batch_execute(&sql).await?;
    Ok(())
}

/// Leaves tables with fresh statistics and hint bits: whoever reads first pays for nobody else.
pub(crate) async fn vacuum(server: &Server, tables: &[&str]) -> Result<()> {
    for table in tables {
        let sql = format!("vacuum (analyze) {table}");
        server.admin.batch_execute(&sql).await?;
    }
    Ok(())
}

/// Fails when a table does not have so many rows: what copies less is not faster.
pub(crate) async fn expect_rows(server: &Server, table: &str, rows: u32) -> Result<()> {
    let sql = format!("select pg_catalog.count(*)::float8 from {table}");
    let found = server.number(&sql).await?;
    if (found - f64::from(rows)).abs() > 0.5 {
        return Err(format!("{table} has {found} rows instead of {rows}").into());
    }
    Ok(())
}

/// Bytes of a row on average, its header included.
pub(crate) async fn row_bytes(server: &Server) -> Result<f64> {
    let sql = format!("select pg_catalog.avg(pg_catalog.pg_column_size(t))::float8 from {TABLE} t");
    server.number(&sql).await
}

/// A wider key and a computed column, by so many workers. `pacing` is a further line of the
/// backfill's settings.
pub(crate) fn plan(name: &str, workers: u32, pacing: &str) -> Result<PlanFile> {
    let computed = "- add_column: { name: score_band, type: integer, up: score / 10 }";
    parse(name, &[WIDER_KEY, computed], workers, pacing)
}

/// A wider key and a column whose expression is not proved to have a value for every row.
pub(crate) fn may_fail(name: &str, workers: u32, pacing: &str) -> Result<PlanFile> {
    let share = "- add_column: { name: share, type: integer, up: 1000000 / (score + 1) }";
    parse(name, &[WIDER_KEY, share], workers, pacing)
}

/// A wider key alone, by so many workers.
pub(crate) fn wider_key(name: &str, workers: u32, pacing: &str) -> Result<PlanFile> {
    parse(name, &[WIDER_KEY], workers, pacing)
}

const WIDER_KEY: &str = "- change_type: { column: id, type: bigint }";

fn parse(name: &str, operations: &[&str], workers: u32, pacing: &str) -> Result<PlanFile> {
    let operations = operations.join("\n  ");
    let text = format!(
        "name: {name}
table: {TABLE}
operations:
  {operations}
backfill: {{ workers: {workers}, {pacing} }}
throttle: {{ max_replica_lag: off }}
"
    );
    Ok(PlanFile::parse(&text)?.plan)
}
