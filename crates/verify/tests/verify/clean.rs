//! No false alarm: both sides agree in every snapshot, however much is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossfade_state::Verdict;
use crossfade_testkit::{Result, Session};

use crate::fixture::{Fixture, id_and};

/// Rows that writers change, delete and bring back while they are compared.
async fn write(app: Session, stop: Arc<AtomicBool>, commits: Arc<AtomicU64>) -> Result<()> {
    let mut turn: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let (id, other) = (turn * 7 % 2000 + 1, turn * 13 % 2000 + 1);
        app.run(&format!(
            "begin; update public.source set v = v || '.' where id in ({id}, {other}); \
             delete from public.source where id = {other}; \
             insert into public.source values ({other}, 'back {turn}') on conflict do nothing; \
             insert into public.source values (100000 + {turn}, 'new'); \
             delete from public.source where id = 100000 + {turn} - 50; commit"
        ))
        .await?;
        commits.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_table_under_writers_gives_no_alarm() -> Result<()> {
    let (ddl, mapping) = id_and("text");
    let mut fixture = Fixture::start(&ddl, mapping).await?;
    fixture.job.settings.chunk_rows = 400;
    fixture
        .load_and_copy("select i, 'row ' || i from generate_series(1, 2000) i")
        .await?;
    let stop = Arc::new(AtomicBool::new(false));
    let commits = Arc::new(AtomicU64::new(0));
    let app = fixture
        .database
        .session("app", crossfade_testkit::Role::App)
        .await?;
    let writer = tokio::spawn(write(app, Arc::clone(&stop), Arc::clone(&commits)));
    let mut rounds = 0;
    // Until enough was written in between, whatever the machine's speed.
    while commits.load(Ordering::Relaxed) < 300 || rounds < 8 {
        let report = fixture.full().await?;
        assert_eq!(report.verdict, Verdict::Exact, "{report:?}");
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    writer.await??;
    Ok(())
}
