//! Lease, fencing and resume: what dies or stands still behind a pooler.

use crossfade_testkit::Result;
use crossfade_tests::crash::{Load, Place, Watch};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{LEASE_HELD, Pooled, UP, VERIFY};

const ROWS: u32 = 10_000;
/// Some seconds of copying.
const SLOW: &str = "batch_size: 200, rows_per_second: 4000";

const COPIED: &str = "select coalesce(sum(chunks), 0) > 0 from crossfade.task_range";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_killed_goes_on_from_its_last_chunk() -> Result<()> {
    let pooled = Pooled::create(ROWS, SLOW).await?;
    let leads = &pooled.leads;
    let watch = Watch::new(leads).await?;
    let load = leads.load(Load::default()).await?;
    for place in [Place::Backfill, Place::Verify] {
        let slowed = "verify/compared=sleep(300)";
        let mut process = leads.program.start(UP, slowed).await?;
        assert!(watch.wait_for(place, &mut process).await?, "no {place}");
        if place == Place::Backfill {
            leads.scene.admin.wait_until(COPIED).await?;
        }
        assert!(process.kill().await?.killed);
    }
    let chunks = "select sum(chunks)::int8 from crossfade.task_range";
    let before: i64 = leads.scene.admin.query_one_value(chunks).await?;
    pooled.succeed(UP).await?;
    let after: i64 = leads.scene.admin.query_one_value(chunks).await?;
    assert_eq!(before, after, "the copy began afresh");
    pooled.finish(load).await
}

/// It stands still for longer than its lease lives, as a suspended machine does, and finds another
/// at work when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_stood_still_is_fenced_out() -> Result<()> {
    let pooled = Pooled::create(ROWS, SLOW).await?;
    let leads = &pooled.leads;
    let watch = Watch::new(leads).await?;
    let load = leads.load(Load::default()).await?;
    let mut first = leads.program.start(UP, "").await?;
    assert!(watch.wait_for(Place::Backfill, &mut first).await?);
    leads.scene.admin.wait_until(COPIED).await?;
    let second = leads.program.run(UP, "").await?;
    assert_eq!(second.code, Some(LEASE_HELD), "{second:?}");

    let pid = Pid::from_raw(i32::try_from(first.id())?).ok_or("the first has ended")?;
    kill_process(pid, Signal::STOP)?;
    // Held up, so that the first finds it at work.
    let slowed = "verify/compared=sleep(1000)";
    let mut second = leads.program.start(UP, slowed).await?;
    let taken = watch.wait_for(Place::Backfill, &mut second).await;
    kill_process(pid, Signal::CONT)?;
    assert!(taken?, "the second never had the lease");
    let first = first.wait().await?;
    assert_eq!(first.code, Some(LEASE_HELD), "{first:?}");
    second.wait().await?.expect_success(UP)?;
    pooled.succeed(VERIFY).await?;
    pooled.finish(load).await
}
