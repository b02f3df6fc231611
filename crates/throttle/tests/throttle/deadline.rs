//! Deadlines by the clock of a server.

use std::time::Duration;

use crossfade_testkit::{Result, TestDatabase};
use crossfade_throttle::{Deadline, Until};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::fixture::connect;

#[tokio::test]
async fn the_earlier_of_both_ends_counts() -> Result<()> {
    let database = TestDatabase::create().await?;
    let database = connect(&database)?;
    let utc = TimeZone::UTC;
    let hour = Duration::from_hours(1);
    let past = Until::At(Timestamp::now() - hour);
    let future = Until::At(Timestamp::now() + hour);
    let (long, short) = ("4h".parse()?, "1ns".parse()?);
    for (until, runtime, passed) in [
        (None, None, false),
        (Some(future), None, false),
        (Some(past), None, true),
        (Some(future), Some(long), false),
        (Some(past), Some(long), true),
        (Some(future), Some(short), true),
    ] {
        let deadline =
            Deadline::start(&database, until.map(|until| (until, &utc)), runtime).await?;
        assert_eq!(deadline.has_passed(), passed, "{until:?} {runtime:?}");
        if passed {
            deadline.reached().await;
        }
    }
    Ok(())
}
