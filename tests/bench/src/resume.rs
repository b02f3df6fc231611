//! A backfill that is stopped half way: how soon it leaves, and how soon it goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossfade_plan::event::Event;
use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::arguments::Part;
use crate::bench::Bench;
use crate::migration::Migration;
use crate::recorder::Subject;
use crate::table::{self, TARGET};

const OURS: &str = "crossfade, 2 workers";

/// Stops a backfill in the middle, resumes it, and sees to it that nothing is missing.
pub(crate) async fn run(bench: &mut Bench, rows: u32) -> Result<()> {
    let plan = table::plan("resumed", 2, "")?;
    let stop = CancellationToken::new();
    let stopped_at: Arc<Mutex<Option<Instant>>> = Arc::default();
    let watch = {
        let (stop, stopped_at) = (stop.clone(), Arc::clone(&stopped_at));
        move |event: &Event| {
            let half = matches!(event, Event::Progress(progress)
                if progress.rows_done >= u64::from(rows) / 2);
            if half && !stop.is_cancelled() {
                *stopped_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                stop.cancel();
            }
        }
    };
    let first = Migration::prepare_with(&bench.server, plan.clone(), stop, watch).await?;
    first.expand().await?;
    bench.server.settle().await?;
    let (stopped, fresh) = first.backfill_some().await?;
    let left_at = Instant::now();
    let stopped_at = *stopped_at.lock().unwrap_or_else(PoisonError::into_inner);
    let second = Migration::prepare(&bench.server, plan).await?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let mut measures = Vec::new();
    measures.extend(fresh.map(|time| ("first chunk ms", ms(time))));
    // A tiny table may be copied before it can be stopped.
    if let (true, Some(at)) = (stopped, stopped_at) {
        measures.push(("stop ms", ms(left_at - at)));
        let (_, resumed) = second.backfill_some().await?;
        measures.extend(resumed.map(|time| ("resumed chunk ms", ms(time))));
    }
    table::expect_rows(&bench.server, TARGET, rows).await?;
    second.rollback().await?;
    let subject = Subject {
        part: Part::Resume,
        rows,
        contender: OURS,
    };
    bench.record(subject, &measures);
    Ok(())
}
