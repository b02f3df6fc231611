//! The server walks both sides by their indexes: no chunk reads or sorts a whole table.

use crossfade_plan::mapping::Mapping;
use crossfade_testkit::Result;
use crossfade_verify::{Alignment, Interval, Sides, Statement};

use crate::fixture::{Fixture, cast, copy, key, key_in, mapping};

/// The plan of a statement, its parameters put in as the driver sends them.
async fn plan_of(fixture: &Fixture, statement: &Statement) -> Result<String> {
    let mut sql = statement.sql.replace("$1::bigint", "10::bigint");
    for (at, text) in statement.texts.iter().enumerate() {
        let literal = postgres_protocol::escape::escape_literal(text);
        sql = sql.replace(&format!("${}::text", at + 2), &format!("{literal}::text"));
    }
    let rows = fixture
        .admin
        .client()
        .query(&format!("explain (costs off) {sql}"), &[])
        .await?;
    let lines: std::result::Result<Vec<String>, _> =
        rows.iter().map(|row| row.try_get(0)).collect();
    Ok(lines?.join("\n"))
}

/// A chunk in the middle uses the indexes of both sides, by both of its bounds; a boundary is read
/// from the index in its order.
async fn assert_indexes(
    ddl: &str,
    mapping: Mapping,
    select: &str,
    bounds: [&[&str]; 2],
) -> Result<()> {
    let fixture = Fixture::start(ddl, mapping).await?;
    fixture.load_and_copy(select).await?;
    let session = fixture.job.store.session("test").await?;
    let sides = Sides::read(&session, &fixture.job.mapping).await?;
    if sides.alignment() == Alignment::Apart {
        // As its transactions are set.
        fixture
            .admin
            .run("set enable_hashjoin = off; set enable_mergejoin = off")
            .await?;
    }
    let [lower, upper] =
        bounds.map(|key| Some(key.iter().map(|text| (*text).to_owned()).collect()));
    let interval = Interval { lower, upper };
    let plan = plan_of(&fixture, &sides.chunk(&interval)).await?;
    assert!(!plan.contains("Seq Scan"), "{plan}");
    for table in ["source ", "source__new "] {
        assert!(
            plan.contains(&format!("on {table}")) || plan.contains("Bitmap"),
            "{plan}"
        );
    }
    assert!(plan.matches("Index Cond").count() >= 2, "{plan}");
    let boundary = plan_of(&fixture, &sides.boundary(&interval)).await?;
    assert!(
        boundary.contains("Index Only Scan") && !boundary.contains("Sort"),
        "{boundary}"
    );
    Ok(())
}

#[tokio::test]
async fn a_widened_integer() -> Result<()> {
    assert_indexes(
        "create table public.source (id integer primary key, v text); \
         create table public.source__new (id bigint primary key, v text)",
        mapping(
            vec![key_in("pg_catalog", "id", "integer", "bigint")],
            vec![cast("id", "bigint", "int8"), copy("v", "text")],
        ),
        "select i, 'row ' || i from generate_series(1, 20000) i",
        [&["5000"], &["5100"]],
    )
    .await
}

#[tokio::test]
async fn a_composite_key_under_one_operator() -> Result<()> {
    let columns = "(a integer, b text, v text, primary key (a, b))";
    assert_indexes(
        &format!("create table public.source {columns}; create table public.source__new {columns}"),
        mapping(
            vec![key("a", "integer"), key("b", "text")],
            vec![copy("a", "integer"), copy("b", "text"), copy("v", "text")],
        ),
        "select i / 10, 'b' || i, 'row ' || i from generate_series(1, 20000) i",
        [&["500", "b5003"], &["507", "b5077"]],
    )
    .await
}

#[tokio::test]
async fn a_composite_key_under_operators_of_two_schemas() -> Result<()> {
    let columns = "(a public.citext, b integer, v text, primary key (a, b))";
    assert_indexes(
        &format!(
            "create extension citext schema public; \
             create table public.source {columns}; create table public.source__new {columns}"
        ),
        mapping(
            vec![
                key_in("public", "a", "public.citext", "public.citext"),
                key("b", "integer"),
            ],
            vec![
                copy("a", "public.citext"),
                copy("b", "integer"),
                copy("v", "text"),
            ],
        ),
        "select 'k' || (10000 + i / 10), i, 'row ' || i from generate_series(1, 20000) i",
        [&["k10500", "5003"], &["K10507", "5077"]],
    )
    .await
}

#[tokio::test]
async fn a_citext() -> Result<()> {
    let columns = "(id public.citext primary key, v text)";
    assert_indexes(
        &format!(
            "create extension citext schema public; \
             create table public.source {columns}; create table public.source__new {columns}"
        ),
        mapping(
            vec![key_in("public", "id", "public.citext", "public.citext")],
            vec![copy("id", "public.citext"), copy("v", "text")],
        ),
        "select 'K' || (100000 + i), 'row ' || i from generate_series(1, 20000) i",
        [&["k105000"], &["K105100"]],
    )
    .await
}

/// The target is looked up row by row where its order is another one.
#[tokio::test]
async fn an_integer_that_becomes_a_text() -> Result<()> {
    let ddl = "create table public.source (id integer primary key, v text); \
               create table public.source__new (id text primary key, v text)";
    let mapping = mapping(
        vec![key_in("pg_catalog", "id", "integer", "text")],
        vec![cast("id", "text", "text"), copy("v", "text")],
    );
    assert_indexes(
        ddl,
        mapping,
        "select i, 'row ' || i from generate_series(1, 20000) i",
        [&["5000"], &["5100"]],
    )
    .await
}
