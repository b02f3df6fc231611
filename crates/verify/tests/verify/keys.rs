//! Keys of many types: intervals tile, no row is lost, damage at a boundary is found.

use crossfade_plan::mapping::{KeyColumn, Mapping};
use crossfade_state::{MismatchKind, Verdict};
use crossfade_testkit::Result;
use crossfade_verify::{Alignment, Sides};

use crate::fixture::{Fixture, copy, key, key_in, mapping};

/// Both tables with a key and a column `v`.
fn tables(columns: &str, primary_key: &str) -> String {
    let table = |name: &str| {
        format!("create table public.{name} ({columns}, v text, primary key ({primary_key}));")
    };
    format!("{}{}", table("source"), table("source__new"))
}

fn same_columns(key: Vec<KeyColumn>) -> Mapping {
    let images = key
        .iter()
        .map(|key| copy(key.target.as_str(), &key.target_type))
        .chain([copy("v", "text")])
        .collect();
    mapping(key, images)
}

/// 40 rows: clean, then with every row of the target damaged, each of which must be found once.
/// Returns how many intervals that took.
async fn assert_covered(ddl: &str, mapping: Mapping, select: &str) -> Result<u64> {
    let mut fixture = Fixture::start(ddl, mapping).await?;
    fixture.load(select).await?;
    let sides = Sides::read(
        &fixture.job.store.session("test").await?,
        &fixture.job.mapping,
    )
    .await?;
    assert_eq!(sides.alignment(), Alignment::Together);
    let clean = fixture.full().await?;
    assert_eq!(clean.verdict, Verdict::Exact, "{clean:?}");
    assert_eq!((clean.source_rows, clean.target_rows), (40, 40));
    fixture
        .damage("update public.source__new set v = 'wrong'")
        .await?;
    fixture.job.pace = crate::fixture::Allow::chunks(u64::MAX);
    let report = fixture.full().await?;
    let found = fixture.mismatches(&report).await?;
    assert_eq!((report.different, found.len()), (40, 40));
    assert!(
        found
            .iter()
            .all(|one| one.kind == MismatchKind::Different && one.columns == ["v"]),
        "{found:?}"
    );
    Ok(fixture.job.pace.chunks.into_inner())
}

#[tokio::test]
async fn a_composite_key() -> Result<()> {
    let chunks = assert_covered(
        &tables("a integer, b text", "a, b"),
        same_columns(vec![key("a", "integer"), key("b", "text")]),
        "select i / 13, 'b' || i, 'row' from generate_series(1, 40) i",
    )
    .await?;
    assert!(chunks >= 4, "{chunks}");
    Ok(())
}

#[tokio::test]
async fn a_composite_key_with_operators_of_two_schemas() -> Result<()> {
    let chunks = assert_covered(
        &format!(
            "create extension citext schema public; {}",
            tables("a integer, b public.citext, c uuid", "a, b, c")
        ),
        same_columns(vec![
            key("a", "integer"),
            key_in("public", "b", "public.citext", "public.citext"),
            key("c", "uuid"),
        ]),
        "select i / 13, chr(65 + i % 5), md5(i::text)::uuid, 'row' from generate_series(1, 40) i",
    )
    .await?;
    assert!(chunks >= 4, "{chunks}");
    Ok(())
}

#[tokio::test]
async fn a_uuid() -> Result<()> {
    assert_covered(
        &tables("id uuid", "id"),
        same_columns(vec![key("id", "uuid")]),
        "select md5(i::text)::uuid, 'row' from generate_series(1, 40) i",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_timestamp_with_infinities() -> Result<()> {
    assert_covered(
        &tables("id timestamptz", "id"),
        same_columns(vec![key("id", "timestamp with time zone")]),
        "select '2024-03-31 00:59:00.123456+00'::timestamptz + i * interval '7 minutes 1 microsecond', 'row' \
           from generate_series(1, 37) i \
         union all values ('infinity'::timestamptz, 'x'), ('-infinity', 'y'), ('0044-03-15 BC', 'z')",
    )
    .await?;
    Ok(())
}

/// Upper and lower case alternate in the index's order, and come apart in that of text.
#[tokio::test]
async fn a_citext() -> Result<()> {
    let chunks = assert_covered(
        &format!(
            "create extension citext schema public; {}",
            tables("id public.citext", "id")
        ),
        same_columns(vec![key_in("public", "id", "public.citext", "public.citext")]),
        "select case when i % 2 = 0 then 'k' else 'K' end || (100 + i), 'row' from generate_series(1, 40) i",
    )
    .await?;
    assert!(chunks >= 4, "{chunks}");
    Ok(())
}

/// The operators of its index are called otherwise: `#<#`.
#[tokio::test]
async fn an_hstore() -> Result<()> {
    let chunks = assert_covered(
        &format!(
            "create extension hstore schema public; {}",
            tables("id public.hstore", "id")
        ),
        same_columns(vec![key_in(
            "public",
            "id",
            "public.hstore",
            "public.hstore",
        )]),
        "select public.hstore('k' || i, 'v'), 'row' from generate_series(1, 40) i",
    )
    .await?;
    assert!(chunks >= 4, "{chunks}");
    Ok(())
}

#[tokio::test]
async fn a_composite_key_with_operators_of_other_names() -> Result<()> {
    let chunks = assert_covered(
        &format!(
            "create extension hstore schema public; {}",
            tables("a integer, b public.hstore", "a, b")
        ),
        same_columns(vec![
            key("a", "integer"),
            key_in("public", "b", "public.hstore", "public.hstore"),
        ]),
        "select i / 13, public.hstore('k' || i, 'v'), 'row' from generate_series(1, 40) i",
    )
    .await?;
    assert!(chunks >= 4, "{chunks}");
    Ok(())
}

/// The index sorts by bytes, and its operators are `~<~` and so on.
#[tokio::test]
async fn a_text_in_the_order_of_its_bytes() -> Result<()> {
    let table = |name: &str| {
        format!(
            "create table public.{name} (id text collate \"en-x-icu\" not null, v text); \
             create unique index on public.{name} (id text_pattern_ops);"
        )
    };
    let chunks = assert_covered(
        &format!("{}{}", table("source"), table("source__new")),
        same_columns(vec![key("id", "text")]),
        "select case when i % 2 = 0 then 'k' else 'K' end || (100 + i), 'row' from generate_series(1, 40) i",
    )
    .await?;
    assert!(chunks >= 4, "{chunks}");
    Ok(())
}

#[tokio::test]
async fn a_text_under_a_nondeterministic_collation() -> Result<()> {
    assert_covered(
        &format!(
            "create collation public.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false); {}",
            tables("id text collate public.folded", "id")
        ),
        same_columns(vec![key("id", "text")]),
        "select case when i % 2 = 0 then 'ä' else 'B' end || (100 + i), 'row' from generate_series(1, 40) i",
    )
    .await?;
    Ok(())
}

/// Texts that quote, separate and end things elsewhere.
#[tokio::test]
async fn a_text_of_odd_characters() -> Result<()> {
    assert_covered(
        &tables("id text", "id"),
        same_columns(vec![key("id", "text")]),
        "select (array['', ' ', 'NULL', '{}', '{\"a\"}', 'a,b', '''', '\"', '\\', E'\\n'])[1 + i % 10] \
             || repeat('x', i / 10), 'row' from generate_series(0, 39) i",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_key_that_reads_differently_under_an_equal_key_is_found() -> Result<()> {
    let ddl = format!(
        "create extension citext schema public; {}",
        tables("id public.citext", "id")
    );
    let key = vec![key_in("public", "id", "public.citext", "public.citext")];
    let fixture = Fixture::start(&ddl, same_columns(key)).await?;
    fixture.load("values ('Anna', 'x'), ('Bert', 'y')").await?;
    fixture
        .damage("update public.source__new set id = 'ANNA' where id = 'anna'")
        .await?;
    let report = fixture.full().await?;
    let found = fixture.mismatches(&report).await?;
    assert_eq!(
        found,
        [crate::fixture::mismatch(
            MismatchKind::Different,
            &["Anna"],
            &["id"]
        )]
    );
    Ok(())
}
