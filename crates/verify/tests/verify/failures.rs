//! Passing failures: a chunk that fails is compared again, and nothing is read twice or left out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossfade_plan::file::{Invariant, SqlText};
use crossfade_state::Verdict;
use crossfade_testkit::{Result, Role, Session};
use crossfade_verify::tiles;
use tokio_util::sync::CancellationToken;

use crate::fixture::{
    Fixture, id_and, wait_until_none_waits_for, wait_until_some_wait_for, waiter,
};

async fn loaded() -> Result<(Fixture, Session)> {
    let (ddl, mapping) = id_and("text");
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .load("select i, 'row ' || i from generate_series(1, 100) i")
        .await?;
    let ddl = fixture.database.session("ddl", Role::Superuser).await?;
    ddl.run("begin; lock table public.source__new in access exclusive mode")
        .await?;
    Ok((fixture, ddl))
}

async fn assert_exact(fixture: &Fixture, report: &crossfade_verify::Report) -> Result<()> {
    assert_eq!(
        (report.verdict, report.source_rows, report.target_rows),
        (Verdict::Exact, 100, 100),
        "{report:?}"
    );
    let read = fixture.job.pace.source_rows.load(Ordering::Relaxed);
    assert_eq!(read, 100);
    let session = fixture.job.store.session("test").await?;
    let intervals = fixture
        .job
        .store
        .intervals(&session, report.verification)
        .await?;
    let intervals: Vec<_> = intervals
        .iter()
        .map(crossfade_verify::Interval::from)
        .collect();
    assert!(tiles(&intervals));
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_waits_too_long_is_compared_again() -> Result<()> {
    let (mut fixture, ddl) = loaded().await?;
    fixture.job.settings.lock_timeout = Duration::from_millis(5);
    let letting_go = async {
        for _ in 0..3 {
            wait_until_some_wait_for(&fixture.admin, ddl.pid()).await?;
            wait_until_none_waits_for(&fixture.admin, ddl.pid()).await?;
        }
        ddl.run("rollback").await?;
        Ok::<_, crossfade_testkit::Error>(())
    };
    let (report, let_go) = tokio::join!(fixture.job.full(true, &[], "public"), letting_go);
    let_go?;
    assert_exact(&fixture, &report?).await
}

#[tokio::test]
async fn a_lost_connection_is_replaced() -> Result<()> {
    let (fixture, ddl) = loaded().await?;
    let cutting = async {
        wait_until_some_wait_for(&fixture.admin, ddl.pid()).await?;
        let cut = format!(
            "select pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) from ({}) w",
            waiter(ddl.pid())
        );
        let cut: i64 = fixture.admin.query_one_value(&cut).await?;
        assert!(cut > 0);
        ddl.run("rollback").await?;
        Ok::<_, crossfade_testkit::Error>(())
    };
    let (report, cut) = tokio::join!(fixture.job.full(true, &[], "public"), cutting);
    cut?;
    assert_exact(&fixture, &report?).await
}

/// Told to stop in the middle of a statement that waits.
#[tokio::test]
async fn a_stop_does_not_wait_for_the_statement() -> Result<()> {
    let (fixture, ddl) = loaded().await?;
    let stopping = async {
        wait_until_some_wait_for(&fixture.admin, ddl.pid()).await?;
        fixture.job.stop.cancel();
        Ok::<_, crossfade_testkit::Error>(())
    };
    // The catalogs are read without a lock on the tables.
    let (report, stopping) = tokio::join!(fixture.job.full(true, &[], "public"), stopping);
    stopping?;
    assert!(report?.is_stopped());
    // Nothing of ours goes on behind the application's back.
    wait_until_none_waits_for(&fixture.admin, ddl.pid()).await
}

#[tokio::test]
async fn a_stop_reaches_invariants_and_counts() -> Result<()> {
    let (fixture, ddl) = loaded().await?;
    let sql = SqlText::new("select from source__new where false")?;
    let waits = [Invariant {
        name: "it waits".to_owned(),
        sql,
    }];
    let stopping = async {
        wait_until_some_wait_for(&fixture.admin, ddl.pid()).await?;
        fixture.job.stop.cancel();
        Ok::<_, crossfade_testkit::Error>(())
    };
    let (report, stopping) = tokio::join!(fixture.job.counts(&waits, "public"), stopping);
    stopping?;
    let report = report?;
    assert!(
        report.is_stopped() && report.invariants.is_empty(),
        "{report:?}"
    );
    assert_eq!(report.verdict, Verdict::Inconclusive);
    wait_until_none_waits_for(&fixture.admin, ddl.pid()).await
}

#[tokio::test]
async fn a_stop_reaches_an_invariant_of_a_full_verification() -> Result<()> {
    let (mut fixture, ddl) = loaded().await?;
    ddl.run("rollback").await?;
    ddl.run("create table public.held (); grant select on public.held to public")
        .await?;
    ddl.run("begin; lock table public.held").await?;
    let sql = SqlText::new("select from held")?;
    let waits = [Invariant {
        name: "it waits".to_owned(),
        sql,
    }];
    let stopping = async {
        wait_until_some_wait_for(&fixture.admin, ddl.pid()).await?;
        fixture.job.stop.cancel();
        Ok::<_, crossfade_testkit::Error>(())
    };
    let (report, stopping) = tokio::join!(fixture.job.full(false, &waits, "public"), stopping);
    stopping?;
    let stopped = report?;
    assert!(stopped.is_stopped(), "{stopped:?}");
    ddl.run("rollback").await?;
    fixture.job.stop = CancellationToken::new();
    let report = fixture.job.full(false, &waits, "public").await?;
    assert_eq!(report.verification, stopped.verification);
    assert_eq!(report.invariants[0].rows, Some(0));
    assert_exact(&fixture, &report).await
}
