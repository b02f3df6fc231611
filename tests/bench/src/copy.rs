//! The copy: single statements, the peers' batches, and the engine, each on a fresh target.

use std::time::{Duration, Instant};

use crate::Result;
use crate::arguments::Part;
use crate::bench::Bench;
use crate::chunk_log;
use crate::migration::Migration;
use crate::recorder::{Subject, quantile, rotated};
use crate::table::{self, COPY, IMAGES, TABLE, TARGET};
use crate::verify;

/// The server's limit.
pub(crate) const ONE_INSERT: &str = "one INSERT ... SELECT";
/// The least that a copy under writers needs, in one statement.
pub(crate) const ON_CONFLICT: &str = "one INSERT ... ON CONFLICT DO NOTHING";
/// What the engine sends for each chunk, without the engine: the limit of its way.
const CHUNK_LOOP: &str = "the chunk statement alone, in a loop";
const OFFSET: &str = "batches of 10,000 by OFFSET";
/// The engine.
pub(crate) const OURS_1: &str = "crossfade, 1 worker";
/// The engine.
pub(crate) const OURS_2: &str = "crossfade, 2 workers";
/// The server's limit where the target has indexes.
pub(crate) const INDEXED_INSERT: &str = "3 indexes: one INSERT, then the indexes";
const INDEXED_BATCHES: &str = "3 indexes: batches of 1,000, ON CONFLICT";
/// The engine where the target has indexes.
pub(crate) const INDEXED_OURS: &str = "3 indexes: crossfade, 2 workers";

/// Measures.
pub(crate) const SECONDS: &str = "seconds";
/// Rows a second.
pub(crate) const RATE: &str = "rows/s";
const WAL: &str = "WAL B/row";
const STAGE: &str = "stage s";

/// Batches by OFFSET read all rows before theirs again: the cost grows with the square.
const OFFSET_MOST_ROWS: u32 = 1_000_000;
const OFFSET_BATCH: u32 = 10_000;
const KEY_BATCH: u32 = 1_000;
/// About as many blocks as hold 10,000 rows.
const CHUNK_BLOCKS: u32 = 300;

/// Copies the table by every contender of the key-only target, and verifies where asked.
pub(crate) async fn key_only(bench: &mut Bench, rows: u32, repetition: u32) -> Result<()> {
    let mut contenders = Vec::new();
    if bench.wants(Part::Copy) {
        contenders.extend([ONE_INSERT, ON_CONFLICT, CHUNK_LOOP, OURS_1, OURS_2]);
        if rows <= OFFSET_MOST_ROWS {
            contenders.push(OFFSET);
        }
    } else if bench.wants(Part::Verify) {
        contenders.extend([OURS_1, OURS_2]);
    } else if bench.wants(Part::Chunk) {
        contenders.push(OURS_2);
    }
    for contender in rotated(&contenders, repetition) {
        match contender {
            OURS_1 => ours(bench, rows, contender, 1, repetition).await?,
            OURS_2 => ours(bench, rows, contender, 2, repetition).await?,
            _ => statements(bench, rows, contender).await?,
        }
    }
    Ok(())
}

/// Copies the table, which has three more indexes, by every contender.
pub(crate) async fn indexed(bench: &mut Bench, rows: u32, repetition: u32) -> Result<()> {
    let contenders = [INDEXED_INSERT, INDEXED_BATCHES, INDEXED_OURS];
    for contender in rotated(&contenders, repetition) {
        if contender == INDEXED_OURS {
            ours(bench, rows, contender, 2, repetition).await?;
        } else {
            statements(bench, rows, contender).await?;
        }
    }
    Ok(())
}

/// What others send.
async fn statements(bench: &mut Bench, rows: u32, contender: &'static str) -> Result<()> {
    table::create_copy(&bench.server).await?;
    if contender == INDEXED_BATCHES {
        table::build_indexes(&bench.server, COPY).await?;
    }
    bench.server.settle().await?;
    let insert = format!("insert into {COPY} select {IMAGES} from {TABLE} as o");
    let wal = bench.server.wal_bytes().await?;
    let started = Instant::now();
    match contender {
        ONE_INSERT => bench.server.admin.batch_execute(&insert).await?,
        ON_CONFLICT => {
            let sql = format!("{insert} on conflict (id) do nothing");
            bench.server.admin.batch_execute(&sql).await?;
        }
        INDEXED_INSERT => {
            bench.server.admin.batch_execute(&insert).await?;
            table::build_indexes(&bench.server, COPY).await?;
        }
        CHUNK_LOOP => chunk_loop(bench, &insert).await?,
        OFFSET => {
            let sql = format!("{insert} order by o.id limit {OFFSET_BATCH} offset $1");
            let batch = bench.server.admin.prepare(&sql).await?;
            for offset in (0..i64::from(rows)).step_by(OFFSET_BATCH as usize) {
                bench.server.admin.execute(&batch, &[&offset]).await?;
            }
        }
        INDEXED_BATCHES => {
            let sql =
                format!("{insert} where o.id > $1 and o.id <= $2 on conflict (id) do nothing");
            let batch = bench.server.admin.prepare(&sql).await?;
            let last = i32::try_from(rows)?;
            let step = i32::try_from(KEY_BATCH)?;
            for first in (0..last).step_by(KEY_BATCH as usize) {
                let range = (first, first.saturating_add(step));
                bench
                    .server
                    .admin
                    .execute(&batch, &[&range.0, &range.1])
                    .await?;
            }
        }
        other => return Err(format!("nobody is called {other}").into()),
    }
    let took = started.elapsed();
    let wal = bench.server.wal_bytes().await? - wal;
    table::expect_rows(&bench.server, COPY, rows).await?;
    record(bench, rows, contender, took, wal, None);
    table::remove_copy(&bench.server).await
}

/// Block range by block range, each in a transaction that does not wait for its flush, with rows
/// locked and the ones that are there left out: no lease, no checkpoint, no closing pass.
async fn chunk_loop(bench: &Bench, insert: &str) -> Result<()> {
    let admin = &bench.server.admin;
    let sql = format!(
        "select (pg_catalog.pg_relation_size('{TABLE}')
             / pg_catalog.current_setting('block_size')::integer)::float8"
    );
    let blocks = bench.server.number(&sql).await?;
    let mut first = 0;
    while f64::from(first) < blocks {
        let end = first + CHUNK_BLOCKS;
        admin
            .batch_execute(&format!(
                "begin;
                 set local synchronous_commit = off;
                 set local enable_hashjoin = off;
                 set local enable_mergejoin = off;
                 set local enable_seqscan = off;
                 set local jit = off;
                 {insert}
                 where o.ctid >= '({first},0)' and o.ctid < '({end},0)'
                   and not exists (select from {COPY} as n where n.id = o.id)
                 for no key update of o skip locked;
                 commit"
            ))
            .await?;
        first = end;
    }
    Ok(())
}

/// The engine's way, from the expand to the closed copy, and back.
async fn ours(
    bench: &mut Bench,
    rows: u32,
    contender: &'static str,
    workers: u32,
    repetition: u32,
) -> Result<()> {
    let name = format!("copy_{workers}");
    let migration = Migration::prepare(&bench.server, table::plan(&name, workers, "")?).await?;
    migration.expand().await?;
    bench.server.settle().await?;
    let log = bench.server.log_end()?;
    let wal = bench.server.wal_bytes().await?;
    let times = migration.backfill().await?;
    let wal = bench.server.wal_bytes().await? - wal;
    table::expect_rows(&bench.server, TARGET, rows).await?;
    let chunks = chunk_log::chunks(&bench.server.log_since(log)?, &name);
    let indexed = contender == INDEXED_OURS;
    if bench.wants(Part::Copy) {
        // Where there are indexes, the peers' figures include them.
        let took = if indexed { times.stage } else { times.copy };
        record(bench, rows, contender, took, wal, Some(times.stage));
    }
    if bench.wants(Part::Chunk) {
        record_chunks(bench, rows, contender, &chunks)?;
    }
    if bench.wants(Part::Verify) && !indexed {
        table::vacuum(&bench.server, &[TABLE, TARGET]).await?;
        verify::run(bench, &migration, rows, contender, repetition).await?;
    }
    migration.rollback().await
}

fn record(
    bench: &mut Bench,
    rows: u32,
    contender: &'static str,
    took: Duration,
    wal: f64,
    stage: Option<Duration>,
) {
    let subject = Subject {
        part: Part::Copy,
        rows,
        contender,
    };
    let seconds = took.as_secs_f64();
    let mut measures = vec![
        (SECONDS, seconds),
        (RATE, f64::from(rows) / seconds),
        (WAL, wal / f64::from(rows)),
    ];
    measures.extend(stage.map(|stage| (STAGE, stage.as_secs_f64())));
    bench.record(subject, &measures);
}

fn record_chunks(
    bench: &mut Bench,
    rows: u32,
    contender: &'static str,
    chunks: &[f64],
) -> Result<()> {
    let longest = chunks.last().ok_or("the log tells of no chunk")?;
    let subject = Subject {
        part: Part::Chunk,
        rows,
        contender,
    };
    #[expect(clippy::cast_precision_loss, reason = "some thousands of chunks")]
    let count = chunks.len() as f64;
    bench.record(
        subject,
        &[
            ("chunks", count),
            ("p50 ms", quantile(chunks, 0.5)),
            (P99, quantile(chunks, 0.99)),
            ("max ms", *longest),
        ],
    );
    Ok(())
}

/// The 99th percentile of something that takes milliseconds.
pub(crate) const P99: &str = "p99 ms";
