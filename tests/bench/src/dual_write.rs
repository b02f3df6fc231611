//! The application's rate without and with dual-write, and while the rows are copied.

use crossfade_plan::file::PlanFile;

use crate::Result;
use crate::arguments::Part;
use crate::bench::Bench;
use crate::load::{Load, LoadReport, Manner};
use crate::migration::Migration;
use crate::recorder::Subject;
use crate::table::{self, TABLE, TARGET};

/// The application alone.
pub(crate) const NONE: &str = "no dual-write";
/// After expand: the target holds only what was written since.
pub(crate) const EXPANDED: &str = "dual-write, before the backfill";
/// After the backfill.
pub(crate) const COPIED: &str = "dual-write, after the backfill";
/// After expand, with a computed column in the mapping.
pub(crate) const COMPUTED: &str = "dual-write, a computed column";
/// The same with an expression that may fail: each write runs in an exception block, which is a
/// subtransaction.
pub(crate) const MAY_FAIL: &str = "dual-write, a column that may fail";
const COPYING: &str = "while the backfill runs, full speed";
const COPYING_PACED: &str = "while the backfill runs, nice_ratio 2";

/// Transactions a second.
pub(crate) const RATE: &str = "tx/s";

/// Watches the application in each state once, and without dual-write before and after: the table
/// is not what it was after so many updates.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    watch(bench, NONE).await?;
    for (contender, plan) in [
        (COMPUTED, table::plan("dual_write_computed", 2, "")?),
        (MAY_FAIL, table::may_fail("dual_write_may_fail", 2, "")?),
    ] {
        Box::pin(watch_expanded(bench, contender, plan)).await?;
    }
    let plan = table::wider_key("dual_write", 2, "")?;
    let migration = Migration::prepare(&bench.server, plan).await?;
    migration.expand().await?;
    watch(bench, EXPANDED).await?;
    copy_under_load(bench, &migration, COPYING).await?;
    watch(bench, COPIED).await?;
    migration.rollback().await?;
    tidy(bench, &[TABLE]).await?;
    watch(bench, NONE).await?;
    let plan = table::wider_key("dual_write_paced", 2, "nice_ratio: 2")?;
    let migration = Migration::prepare(&bench.server, plan).await?;
    migration.expand().await?;
    copy_under_load(bench, &migration, COPYING_PACED).await?;
    migration.rollback().await?;
    tidy(bench, &[TABLE]).await
}

/// The application with the dual-write of a plan, before any backfill.
async fn watch_expanded(bench: &mut Bench, contender: &'static str, plan: PlanFile) -> Result<()> {
    let migration = Migration::prepare(&bench.server, plan).await?;
    migration.expand().await?;
    watch(bench, contender).await?;
    migration.rollback().await
}

async fn watch(bench: &mut Bench, contender: &'static str) -> Result<()> {
    let tables: &[&str] = if contender == NONE {
        &[TABLE]
    } else {
        &[TABLE, TARGET]
    };
    tidy(bench, tables).await?;
    let rows = bench.arguments().loaded_rows();
    let mut load = Load::start(&bench.server, rows, Manner::Short).await?;
    // The first write of each page after the checkpoint logs the page whole: that belongs to the
    // checkpoint, not to the statement.
    load.watch(bench.arguments().load_time()).await?;
    let report = load.watch(bench.arguments().load_time()).await?;
    load.stop().await?;
    record(bench, contender, report);
    Ok(())
}

/// The application for as long as the backfill takes.
async fn copy_under_load(
    bench: &mut Bench,
    migration: &Migration,
    contender: &'static str,
) -> Result<()> {
    tidy(bench, &[TABLE, TARGET]).await?;
    let rows = bench.arguments().loaded_rows();
    let load = Load::start(&bench.server, rows, Manner::Short).await?;
    load.take()?;
    let times = migration.backfill().await?;
    let report = load.take()?;
    load.stop().await?;
    record(bench, contender, report);
    let subject = subject(bench, contender);
    let rate = f64::from(rows) / times.copy.as_secs_f64();
    bench.record(subject, &[("copied rows/s", rate)]);
    Ok(())
}

/// As every state begins: no rows of the application's own, no dead ones, nothing to write out.
async fn tidy(bench: &Bench, tables: &[&str]) -> Result<()> {
    let rows = bench.arguments().loaded_rows();
    let sql = format!("delete from {TABLE} where id > {rows}");
    bench.server.admin.batch_execute(&sql).await?;
    table::vacuum(&bench.server, tables).await?;
    bench.server.settle().await
}

fn record(bench: &mut Bench, contender: &'static str, report: LoadReport) {
    let subject = subject(bench, contender);
    bench.record(
        subject,
        &[
            (RATE, report.per_second),
            ("p99 ms", report.p99_ms),
            ("max ms", report.longest_ms),
        ],
    );
}

fn subject(bench: &Bench, contender: &'static str) -> Subject {
    Subject {
        part: Part::DualWrite,
        rows: bench.arguments().loaded_rows(),
        contender,
    }
}
