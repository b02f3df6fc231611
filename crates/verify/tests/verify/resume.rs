//! A verification that was stopped goes on where it was, and covers every key or says so.

use std::sync::atomic::Ordering;

use crossfade_state::{Side, StateError, Verdict};
use crossfade_testkit::Result;
use crossfade_verify::{Interval, Reason, VerifyError, tiles};

use crate::fixture::{Allow, Fixture, id_and};

async fn loaded() -> Result<Fixture> {
    let (ddl, mapping) = id_and("text");
    let mut fixture = Fixture::start(&ddl, mapping).await?;
    fixture.job.settings.chunk_rows = 10;
    fixture
        .load("select i, 'row ' || i from generate_series(1, 100) i")
        .await?;
    Ok(fixture)
}

async fn intervals(fixture: &Fixture, report: &crossfade_verify::Report) -> Result<Vec<Interval>> {
    let session = fixture.job.store.session("test").await?;
    let intervals = fixture
        .job
        .store
        .intervals(&session, report.verification)
        .await?;
    assert!(intervals.iter().all(|one| one.side == Side::Both));
    Ok(intervals.iter().map(Interval::from).collect())
}

#[tokio::test]
async fn it_goes_on_where_it_was_stopped() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.pace = Allow::chunks(5);
    let stopped = fixture.job.full(false, &[], "public").await?;
    assert_eq!(stopped.verdict, Verdict::Inconclusive);
    assert_eq!(stopped.reasons, [Reason::Stopped]);
    let read = fixture.job.pace.source_rows.load(Ordering::Relaxed);
    assert!((1..100).contains(&read), "{read}");
    assert_eq!(stopped.source_rows, i64::try_from(read)?);
    assert!(!tiles(&intervals(&fixture, &stopped).await?));

    fixture.job.pace = Allow::chunks(u64::MAX);
    let report = fixture.job.full(false, &[], "public").await?;
    assert_eq!(report.verification, stopped.verification);
    assert_eq!(
        (report.verdict, report.source_rows),
        (Verdict::Exact, 100),
        "{report:?}"
    );
    let read_now = fixture.job.pace.source_rows.load(Ordering::Relaxed);
    assert_eq!(read + read_now, 100, "no interval is read twice");
    assert!(tiles(&intervals(&fixture, &report).await?));
    Ok(())
}

/// What an earlier run read is not forgotten.
#[tokio::test]
async fn a_difference_found_before_the_stop_counts() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture
        .damage("delete from public.source__new where id = 1")
        .await?;
    fixture.job.pace = Allow::chunks(5);
    let stopped = fixture.job.full(false, &[], "public").await?;
    assert!(stopped.is_stopped() && stopped.missing == 1, "{stopped:?}");
    fixture
        .damage("insert into public.source__new values (1, 'row 1')")
        .await?;
    fixture.job.pace = Allow::chunks(u64::MAX);
    let report = fixture.job.full(false, &[], "public").await?;
    assert_eq!((report.verdict, report.missing), (Verdict::Mismatch, 1));
    Ok(())
}

/// Two workers that are cut off leave holes, not only an end.
#[tokio::test]
async fn holes_between_intervals_are_read() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.pace = Allow::chunks(8);
    let stopped = fixture.job.full(false, &[], "public").await?;
    fixture
        .admin
        .run(
            "delete from crossfade.verified_interval where id in \
             (select id from crossfade.verified_interval where lower_key is not null order by id limit 2)",
        )
        .await?;
    let left = intervals(&fixture, &stopped).await?.len();
    assert!(left >= 2, "{left}");
    fixture.job.pace = Allow::chunks(u64::MAX);
    let report = fixture.job.full(false, &[], "public").await?;
    assert_eq!(
        (report.verdict, report.source_rows),
        (Verdict::Exact, 100),
        "{report:?}"
    );
    Ok(())
}

#[tokio::test]
async fn intervals_that_do_not_tile_prove_nothing() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.pace = Allow::chunks(8);
    fixture.job.full(false, &[], "public").await?;
    // An overlap: the same place begins two intervals.
    fixture
        .admin
        .run(
            "insert into crossfade.verified_interval \
                 (verification_id, side, lower_key, upper_key, source_rows, target_rows, differences) \
             select verification_id, side, lower_key, array['3'], 0, 0, 0 \
               from crossfade.verified_interval where lower_key is null",
        )
        .await?;
    fixture.job.pace = Allow::chunks(u64::MAX);
    let report = fixture.job.full(false, &[], "public").await?;
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert_eq!(report.reasons, [Reason::NotTiled]);
    Ok(())
}

#[tokio::test]
async fn a_fresh_one_reads_everything() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.pace = Allow::chunks(5);
    let stopped = fixture.job.full(false, &[], "public").await?;
    fixture.job.pace = Allow::chunks(u64::MAX);
    let report = fixture.job.full(true, &[], "public").await?;
    assert_ne!(report.verification, stopped.verification);
    assert_eq!((report.verdict, report.source_rows), (Verdict::Exact, 100));
    let read = fixture.job.pace.source_rows.load(Ordering::Relaxed);
    assert_eq!(read, 100);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_one_stops_and_goes_on() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.stop.cancel();
    let stopped = fixture.job.full(false, &[], "public").await?;
    assert!(stopped.is_stopped());
    fixture.job.stop = tokio_util::sync::CancellationToken::new();
    let report = fixture.job.full(false, &[], "public").await?;
    assert_eq!(report.verification, stopped.verification);
    assert_eq!(report.verdict, Verdict::Exact);
    Ok(())
}

/// A repair or a drift in between: what was compared before proves nothing, so all is read again.
#[tokio::test]
async fn a_voided_one_is_not_gone_on_with() -> Result<()> {
    let mut fixture = loaded().await?;
    fixture.job.pace = Allow::chunks(5);
    let stopped = fixture.job.full(false, &[], "public").await?;
    fixture
        .admin
        .run("update crossfade.verification set valid = false")
        .await?;
    fixture.job.pace = Allow::chunks(u64::MAX);
    let report = fixture.job.full(false, &[], "public").await?;
    assert_ne!(report.verification, stopped.verification);
    assert_eq!(report.source_rows, 100);
    Ok(())
}

/// A runner whose lease is gone records nothing.
#[tokio::test]
async fn nothing_is_recorded_without_the_lease() -> Result<()> {
    let fixture = loaded().await?;
    fixture
        .admin
        .run("update crossfade.lease set epoch = epoch + 1")
        .await?;
    let refused = fixture.job.full(false, &[], "public").await;
    assert!(
        matches!(
            refused,
            Err(VerifyError::State(StateError::FencedOut { .. }))
        ),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_verdict_is_recorded_with_its_details() -> Result<()> {
    let fixture = loaded().await?;
    let report = fixture.full().await?;
    fixture.finish(&report).await?;
    let session = fixture.job.store.session("test").await?;
    let recorded = fixture
        .job
        .store
        .verification(&session, report.verification)
        .await?
        .ok_or("none")?;
    let result = recorded.result.ok_or("no result")?;
    assert_eq!((result.verdict, result.source_rows), (Verdict::Exact, 100));
    assert_eq!(result.details["presence_only"], serde_json::json!([]));
    Ok(())
}
