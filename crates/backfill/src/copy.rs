//! The copy: several workers, until no range is open.

use futures_util::future::try_join_all;

use crate::error::BackfillError;
use crate::job::Job;
use crate::progress::Tally;
use crate::worker::{self, Work, until_it_works};

/// How the copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copying {
    /// Every range is done.
    Done,
    /// It was told to stop.
    Stopped,
}

/// Copies all open ranges.
///
/// A worker that fails for good ends the run; the others' open chunks are cancelled and rolled
/// back, and their positions are where they were.
pub(crate) async fn run(job: &Job, tally: &Tally) -> Result<Copying, BackfillError> {
    loop {
        let workers = (0..job.settings.workers.max(1)).map(|_| worker::run(job, tally));
        let works = try_join_all(workers).await?;
        if works.contains(&Work::Stopped) {
            return Ok(Copying::Stopped);
        }
        match until_it_works(job, || all_done(job)).await? {
            None => return Ok(Copying::Stopped),
            Some(true) => return Ok(Copying::Done),
            Some(false) => {}
        }
        // A chunk of ours whose connection broke may still hold the last range: it is let go when
        // the server notices.
        tokio::time::sleep(worker::PAUSE).await;
    }
}

async fn all_done(job: &Job) -> Result<bool, BackfillError> {
    let session = job.store.session(&job.tag("progress")).await?;
    let progress = job.store.range_progress(&session, job.migration).await?;
    Ok(progress.done == progress.ranges)
}
