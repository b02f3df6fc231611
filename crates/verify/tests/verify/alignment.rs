//! Keys that change their type: together where the order stays, apart where it does not.

use crossfade_plan::mapping::{Image, Mapping};
use crossfade_state::{MismatchKind, Verdict};
use crossfade_testkit::Result;
use crossfade_verify::{Alignment, Sides};

use crate::fixture::{Fixture, cast, computed, copy, key_in, mapping, mismatch};

use MismatchKind::{Different, Extra, Missing};

fn retyped(source: &str, target: &str, image: Image) -> (String, Mapping) {
    (
        format!(
            "create table public.source (id {source} primary key, v text); \
             create table public.source__new (id {target} primary key, v text)"
        ),
        mapping(
            vec![key_in("pg_catalog", "id", source, target)],
            vec![image, copy("v", "text")],
        ),
    )
}

/// Rows 1 to 40, with one row missing, one different, one extra.
async fn assert_found(
    (ddl, mapping): (String, Mapping),
    alignment: Alignment,
    ids: &str,
) -> Result<()> {
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .load(&format!(
            "select {ids}, 'row ' || i from generate_series(1, 40) i"
        ))
        .await?;
    let sides = Sides::read(
        &fixture.job.store.session("test").await?,
        &fixture.job.mapping,
    )
    .await?;
    assert_eq!(sides.alignment(), alignment);
    let clean = fixture.full().await?;
    assert_eq!(clean.verdict, Verdict::Exact, "{clean:?}");
    assert_eq!((clean.source_rows, clean.target_rows), (40, 40));
    let (gone, changed, ghost): (String, String, String) = {
        let row = fixture
            .admin
            .client()
            .query_one(
                "with k as (select id::text, row_number() over (order by id) n from public.source) \
                 select (select id from k where n = 10), (select id from k where n = 11), \
                        (select id::text from public.source__new order by id desc limit 1)",
                &[],
            )
            .await?;
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)
    };
    fixture
        .damage(&format!(
            "delete from public.source__new n using public.source s where s.id = '{gone}' and n.v = s.v; \
             update public.source__new n set v = null from public.source s where s.id = '{changed}' and n.v = s.v; \
             alter table public.source disable trigger user; \
             delete from public.source s using public.source__new n where n.id = '{ghost}' and n.v = s.v; \
             alter table public.source enable trigger user"
        ))
        .await?;
    let report = fixture.full().await?;
    let mut found = fixture.mismatches(&report).await?;
    found.sort_by_key(|one| one.kind.as_str());
    let expected = [
        mismatch(Different, &[&changed], &["v"]),
        mismatch(Extra, &[&ghost], &[]),
        mismatch(Missing, &[&gone], &[]),
    ];
    assert_eq!(found, expected);
    Ok(())
}

#[tokio::test]
async fn a_wider_integer_keeps_its_place() -> Result<()> {
    assert_found(
        retyped("integer", "bigint", cast("id", "bigint", "int8")),
        Alignment::Together,
        "i * 3",
    )
    .await
}

/// The way back after a cutover.
#[tokio::test]
async fn a_narrower_integer_keeps_its_place() -> Result<()> {
    assert_found(
        retyped("bigint", "integer", cast("id", "integer", "int4")),
        Alignment::Together,
        "i * 3",
    )
    .await
}

#[tokio::test]
async fn an_integer_that_becomes_a_numeric_keeps_its_place() -> Result<()> {
    assert_found(
        retyped(
            "integer",
            "numeric(12,2)",
            cast("id", "numeric(12,2)", "numeric"),
        ),
        Alignment::Together,
        "i * 3",
    )
    .await
}

#[tokio::test]
async fn a_date_that_becomes_a_timestamp_keeps_its_place() -> Result<()> {
    let image = cast("id", "timestamp without time zone", "timestamp");
    assert_found(
        retyped("date", "timestamp without time zone", image),
        Alignment::Together,
        "date '2024-01-01' + i",
    )
    .await
}

/// 9 comes before 10 as a number and after it as a text.
#[tokio::test]
async fn an_integer_that_becomes_a_text_is_compared_side_by_side() -> Result<()> {
    assert_found(
        retyped("integer", "text", cast("id", "text", "text")),
        Alignment::Apart,
        "i",
    )
    .await
}

#[tokio::test]
async fn a_key_made_by_an_expression_is_compared_side_by_side() -> Result<()> {
    assert_found(
        retyped(
            "integer",
            "integer",
            computed("id", "integer", "-id -- reversed"),
        ),
        Alignment::Apart,
        "i",
    )
    .await
}

#[tokio::test]
async fn another_collation_is_another_order() -> Result<()> {
    let (_, mapping) = retyped("text", "text", copy("id", "text"));
    let ddl = "create table public.source (id text collate \"C\" primary key, v text); \
               create table public.source__new (id text collate \"POSIX\" primary key, v text)";
    let fixture = Fixture::start(ddl, mapping).await?;
    let session = fixture.job.store.session("test").await?;
    let sides = Sides::read(&session, &fixture.job.mapping).await?;
    assert_eq!(sides.alignment(), Alignment::Apart);
    Ok(())
}
