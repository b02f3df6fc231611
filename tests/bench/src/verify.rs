//! The full verification beside one join of both tables.

use std::time::Instant;

use crate::Result;
use crate::arguments::Part;
use crate::bench::Bench;
use crate::copy::{RATE, SECONDS};
use crate::migration::Migration;
use crate::recorder::{Subject, rotated};
use crate::table::{TABLE, TARGET};

/// The server's limit, with memory as the server is configured.
pub(crate) const JOIN: &str = "one full join";
/// The same with room for the whole hash table.
pub(crate) const JOIN_IN_MEMORY: &str = "one full join, work_mem 1 GB";
const COUNT: &str = "count(*) of the source";

/// Compares what the engine compares: every column's image, with the rows that one side lacks.
const FULL_JOIN: &str = "select pg_catalog.count(*)::float8
    from (select o.id as k0, o.id::bigint as c0, o.score as c1, o.created_at as c2, o.name as c3,
                 o.email as c4, o.status as c5, o.note as c6, o.score / 10 as c7
            from public.leads as o) as s
    full join public.leads__new as d on s.k0 = d.id
    where s.k0 is null or d.id is null
       or pg_catalog.record_image_ne(row(s.c0, s.c1, s.c2, s.c3, s.c4, s.c5, s.c6, s.c7),
              row(d.id, d.score, d.created_at, d.name, d.email, d.status, d.note, d.score_band))";

/// Compares by the engine and by every other contender. `ours` names the engine by its workers.
pub(crate) async fn run(
    bench: &mut Bench,
    migration: &Migration,
    rows: u32,
    ours: &'static str,
    repetition: u32,
) -> Result<()> {
    for contender in rotated(&[ours, JOIN, JOIN_IN_MEMORY, COUNT], repetition) {
        let started = Instant::now();
        match contender {
            JOIN => full_join(bench, "4MB").await?,
            JOIN_IN_MEMORY => full_join(bench, "1GB").await?,
            COUNT => {
                let sql = format!("select pg_catalog.count(*)::float8 from {TABLE}");
                bench.server.number(&sql).await?;
            }
            _ => {
                migration.verify(rows).await?;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let subject = Subject {
            part: Part::Verify,
            rows,
            contender,
        };
        bench.record(
            subject,
            &[(SECONDS, seconds), (RATE, f64::from(rows) / seconds)],
        );
    }
    Ok(())
}

async fn full_join(bench: &Bench, memory: &str) -> Result<()> {
    bench
        .server
        .admin
        .batch_execute(&format!("set work_mem = '{memory}'"))
        .await?;
    let different = bench.server.number(FULL_JOIN).await?;
    bench.server.admin.batch_execute("reset work_mem").await?;
    if different > 0.0 {
        return Err(format!("{different} rows of {TABLE} and {TARGET} differ").into());
    }
    Ok(())
}
