//! A measurement, not a test: the rate of a full verification against one join of whole tables.

use std::time::{Duration, Instant};

use crossfade_state::Verdict;
use crossfade_testkit::Result;
use crossfade_verify::{Interval, Settings, Sides};

use crate::fixture::{Fixture, cast, copy, key_in, mapping};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of a minute, without a verdict"]
#[expect(
    clippy::print_stderr,
    reason = "a measurement is for the one who runs it"
)]
async fn a_million_rows() -> Result<()> {
    let ddl = "create table public.source (id integer primary key, a text, b text, n numeric, at timestamptz); \
               create table public.source__new (id bigint primary key, a text, b text, n numeric, at timestamptz)";
    let mapping = mapping(
        vec![key_in("pg_catalog", "id", "integer", "bigint")],
        vec![
            cast("id", "bigint", "int8"),
            copy("a", "text"),
            copy("b", "text"),
            copy("n", "numeric"),
            copy("at", "timestamp with time zone"),
        ],
    );
    let mut fixture = Fixture::start(ddl, mapping).await?;
    fixture
        .load_and_copy(
            "select i, repeat(md5(i::text), 3), repeat(md5((-i)::text), 2), i * 1.01, now() \
               from generate_series(1, 1000000) i",
        )
        .await?;
    for table in ["source", "source__new"] {
        let vacuum = format!("vacuum analyze public.{table}");
        fixture.admin.run(&vacuum).await?;
    }
    fixture.job.settings = Settings::default();
    let sides = Sides::read(
        &fixture.job.store.session("test").await?,
        &fixture.job.mapping,
    )
    .await?;
    let whole = sides
        .chunk(&Interval::ALL)
        .sql
        .replace("$1::bigint", "10::bigint");
    let mut best = [Duration::MAX; 3];
    for round in 0..4 {
        for (at, workers) in [(0, None), (1, Some(1)), (2, Some(2))] {
            let started = Instant::now();
            if let Some(workers) = workers {
                fixture.job.settings.workers = workers;
                let report = fixture.full().await?;
                assert_eq!(
                    (report.verdict, report.source_rows),
                    (Verdict::Exact, 1_000_000)
                );
            } else {
                fixture.admin.run(&whole).await?;
            }
            if round > 0 {
                best[at] = best[at].min(started.elapsed());
            }
        }
    }
    let [one_statement, one_worker, two_workers] = best.map(|best| best.as_secs_f64());
    eprintln!(
        "one statement {one_statement:.2} s; 1 worker {one_worker:.2} s, ratio {:.2}; \
         2 workers {two_workers:.2} s, ratio {:.2}",
        one_statement / one_worker,
        one_statement / two_workers
    );
    Ok(())
}
