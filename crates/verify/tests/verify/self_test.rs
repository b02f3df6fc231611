//! The self-test: passes where a change is seen, fails where it is not, leaves nothing behind.

use crossfade_state::{MismatchKind, Verdict};
use crossfade_testkit::Result;
use crossfade_verify::{SelfTest, Unshown, VerifyError};

use crate::fixture::{Fixture, cast, copy, id_and, key, key_in, mapping};

async fn loaded(rows: u32) -> Result<Fixture> {
    let (ddl, mapping) = id_and("text");
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .load(&format!(
            "select i, 'row ' || i from generate_series(1, {rows}) i"
        ))
        .await?;
    Ok(fixture)
}

#[tokio::test]
async fn a_change_is_seen_and_rolled_back() -> Result<()> {
    let fixture = loaded(500).await?;
    for seed in 0..5 {
        let expected = SelfTest::Passed {
            change: MismatchKind::Different,
            column: Some("v".to_owned()),
        };
        assert_eq!(fixture.job.self_test(seed).await?, expected);
    }
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    Ok(())
}

#[tokio::test]
async fn a_row_is_taken_out_where_no_column_can_be_null() -> Result<()> {
    let columns = "(id integer primary key, v text not null)";
    let ddl =
        format!("create table public.source {columns}; create table public.source__new {columns}");
    let mapping = mapping(
        vec![key("id", "integer")],
        vec![copy("id", "integer"), copy("v", "text")],
    );
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .load("select i, 'row' from generate_series(1, 20) i")
        .await?;
    let expected = SelfTest::Passed {
        change: MismatchKind::Missing,
        column: None,
    };
    assert_eq!(fixture.job.self_test(1).await?, expected);
    // The same where a constraint forbids NULL.
    fixture
        .damage(
            "alter table public.source__new alter v drop not null; \
             alter table public.source__new add check (v is not null)",
        )
        .await?;
    assert_eq!(fixture.job.self_test(1).await?, expected);
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    Ok(())
}

#[tokio::test]
async fn keys_of_another_order_are_shown_too() -> Result<()> {
    let ddl = "create table public.source (id integer primary key, v text); \
               create table public.source__new (id text primary key, v text)";
    let mapping = mapping(
        vec![key_in("pg_catalog", "id", "integer", "text")],
        vec![cast("id", "text", "text"), copy("v", "text")],
    );
    let fixture = Fixture::start(ddl, mapping).await?;
    fixture
        .load("select i, 'row' from generate_series(1, 20) i")
        .await?;
    assert!(matches!(
        fixture.job.self_test(1).await?,
        SelfTest::Passed { .. }
    ));
    Ok(())
}

/// The target takes no change, and says it did: a comparison that sees none is as good as blind.
#[tokio::test]
async fn a_change_that_is_not_seen_fails_it() -> Result<()> {
    let fixture = loaded(20).await?;
    fixture
        .damage(
            "create function public.keep() returns trigger language plpgsql as $$ begin return old; end $$; \
             create trigger keep before update on public.source__new for each row execute function public.keep()",
        )
        .await?;
    let failed = fixture.job.self_test(1).await;
    assert!(
        matches!(failed, Err(VerifyError::SelfTestFailed { found: 0 })),
        "{failed:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_empty_table_and_one_that_differs_show_nothing() -> Result<()> {
    let fixture = loaded(0).await?;
    let inconclusive = |reason| SelfTest::Inconclusive { reason };
    assert_eq!(
        fixture.job.self_test(1).await?,
        inconclusive(Unshown::Empty)
    );
    fixture.load("values (1, 'row')").await?;
    fixture
        .damage("update public.source__new set v = 'stale'")
        .await?;
    assert_eq!(
        fixture.job.self_test(1).await?,
        inconclusive(Unshown::DiffersAlready)
    );
    Ok(())
}
