//! How long cutover and rollback hold their locks, how often they ask for them, and how long an
//! application waits meanwhile.

use std::time::Instant;

use crossfade_plan::event::Event;

use crate::Result;
use crate::arguments::Part;
use crate::bench::Bench;
use crate::load::{Load, Manner};
use crate::migration::Migration;
use crate::recorder::Subject;
use crate::table::{self, TABLE};

/// Contenders of this part.
pub(crate) const CONTENDERS: [&str; 4] = [
    "cutover, idle",
    "rollback, idle",
    "cutover, 8 connections at work",
    "rollback, 8 connections at work",
];
/// For how long the locks were held.
pub(crate) const HELD: &str = "held ms";

/// Migrates to the cutover and back, several times, idle and under load.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    for _ in 0..bench.arguments().cycles() {
        cycle(bench, false).await?;
        cycle(bench, true).await?;
    }
    Ok(())
}

async fn cycle(bench: &mut Bench, loaded: bool) -> Result<()> {
    let rows = bench.arguments().swapped_rows();
    let sql = format!("delete from {TABLE} where id > {rows}");
    bench.server.admin.batch_execute(&sql).await?;
    table::vacuum(&bench.server, &[TABLE]).await?;
    let migration = Migration::prepare(&bench.server, table::plan("swap", 2, "")?).await?;
    let mut load = if loaded {
        Some(Load::start(&bench.server, rows, Manner::SomeHeld).await?)
    } else {
        None
    };
    migration.expand().await?;
    migration.backfill().await?;
    migration.verify_any().await?;
    for swap in [Swap::Cutover, Swap::Rollback] {
        swapped(bench, &migration, load.as_mut(), swap).await?;
    }
    if let Some(load) = load {
        load.stop().await?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swap {
    Cutover,
    Rollback,
}

async fn swapped(
    bench: &mut Bench,
    migration: &Migration,
    mut load: Option<&mut Load>,
    swap: Swap,
) -> Result<()> {
    if let Some(load) = &load {
        load.take()?;
    }
    let first = migration.heard_so_far();
    let started = Instant::now();
    match swap {
        Swap::Cutover => migration.cutover().await?,
        Swap::Rollback => migration.rollback().await?,
    }
    let took = started.elapsed();
    let events = migration.events_since(first);
    let held = events.iter().find_map(|event| match event {
        Event::LocksReleased { held_us } => Some(*held_us),
        _ => None,
    });
    let refused = events
        .iter()
        .filter(|event| matches!(event, Event::LockAttempt { granted: false, .. }))
        .count();
    let held = held.ok_or("the engine did not tell how long it held its locks")?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "some milliseconds, some attempts"
    )]
    let mut measures = vec![
        (HELD, held as f64 / 1000.0),
        ("attempts", (refused + 1) as f64),
        ("command ms", took.as_secs_f64() * 1000.0),
    ];
    let loaded = load.is_some();
    if let Some(load) = &mut load {
        load.everybody_again().await?;
        measures.push((WAIT, load.take()?.longest_ms));
    }
    let contender = CONTENDERS[usize::from(swap == Swap::Rollback) + 2 * usize::from(loaded)];
    let subject = Subject {
        part: Part::Cutover,
        rows: bench.arguments().swapped_rows(),
        contender,
    };
    bench.record(subject, &measures);
    Ok(())
}

/// The longest transaction of the application in that time; those that are held open take up to
/// 60 ms by themselves.
const WAIT: &str = "longest tx ms";
