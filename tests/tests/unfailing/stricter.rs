//! What one side refuses that the other side takes: each is the mirror's own matter.

use crossfade_engine::Loss;
use crossfade_testkit::Result;
use crossfade_tests::is_exact;

use crate::{DONE, Things};

/// Longer than any index takes, and not to be compressed.
const LONG: &str = "(select string_agg(md5(i::text), '') from generate_series(1, 400) i)";

const TABLE: &str = "create table public.things (id integer primary key, n integer, note text); \
     insert into public.things select i, i, 'note ' || i from generate_series(1, 300) i";

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_an_added_index_cannot_hold() -> Result<()> {
    let things = Things::create(TABLE).await?;
    let engine = things.scene.engine().await?;
    let operation = "  - add_index: { name: things_note, columns: [ note ] }";
    things.expand(&engine, operation).await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    let insert = format!("insert into public.things values (1001, 1, {LONG})");
    things.app.run(&insert).await?;
    assert_eq!(things.refused().await?, 1);
    things.roll_back(&engine, Loss::Refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_which_an_added_indexs_expression_fails() -> Result<()> {
    let things = Things::create(TABLE).await?;
    let engine = things.scene.engine().await?;
    let operation = "  - add_index: { name: things_share, columns: [ { expr: 1000 / n } ] }";
    things.expand(&engine, operation).await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    things
        .app
        .run("insert into public.things values (1001, 0, 'none')")
        .await?;
    assert_eq!(things.refused().await?, 1);
    things.roll_back(&engine, Loss::Refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_which_an_added_columns_default_fails() -> Result<()> {
    let things = Things::create(TABLE).await?;
    let engine = things.scene.engine().await?;
    let operation = "  - add_column: { name: tenant, type: integer, \
         default: \"pg_catalog.current_setting('app.tenant')::integer\" }";
    things.expand(&engine, operation).await?;
    things
        .app
        .run("update public.things set n = 0 where id = 7")
        .await?;
    assert_eq!(things.refused().await?, 1);
    things.roll_back(&engine, Loss::Refused).await
}

/// After the cutover: what the old side still has of what was dropped.
async fn after_the_cutover(schema: &str, operation: &str, write: &str) -> Result<()> {
    let things = Things::create(schema).await?;
    let engine = things.accepting().await?;
    things.expand(&engine, operation).await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    assert!(is_exact(&engine, &things.name).await?);
    assert_eq!(engine.cutover(&things.name).await?, DONE);
    things.app.run(write).await?;
    assert_eq!(things.lost().await?, 1);
    things.roll_back(&engine, Loss::Accepted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_the_value_that_a_dropped_columns_domain_wants() -> Result<()> {
    after_the_cutover(
        "create domain public.word as text not null; \
         create table public.things (id integer primary key, note public.word); \
         insert into public.things select i, 'note ' || i from generate_series(1, 300) i",
        "  - drop_column: { column: note }",
        "insert into public.things values (1001)",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_which_a_dropped_columns_default_fails() -> Result<()> {
    after_the_cutover(
        "create table public.things (id integer primary key, \
           tenant integer default 1 / (random() * 0)::integer); \
         insert into public.things select i, i from generate_series(1, 300) i",
        "  - drop_column: { column: tenant }",
        "insert into public.things values (1001)",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_which_a_dropped_generated_column_fails() -> Result<()> {
    after_the_cutover(
        "create table public.things (id integer primary key, n integer, \
           share integer generated always as (1000 / n) stored); \
         insert into public.things (id, n) select i, i from generate_series(1, 300) i",
        "  - drop_column: { column: share }",
        "insert into public.things values (1001, 0)",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_an_index_of_a_dropped_column_cannot_hold() -> Result<()> {
    after_the_cutover(
        &format!("{TABLE}; create index things_n_note on public.things (n, note)"),
        "  - drop_column: { column: n }",
        &format!("insert into public.things values (1001, {LONG})"),
    )
    .await
}

/// The function that holds it is compiled in the application's session.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_reads_strings_in_another_way() -> Result<()> {
    let things = Things::create(TABLE).await?;
    let engine = things.scene.engine().await?;
    let operation = r"  - add_column: { name: path, type: text, up: 'replace(note, ''\'', ''/'')' }
  - add_column: { name: known, type: boolean, up: 'n = null' }";
    things.expand(&engine, operation).await?;
    things
        .app
        .run(
            "set standard_conforming_strings = off; set transform_null_equals = on; \
             insert into public.things values (1001, null, 'a')",
        )
        .await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    assert_eq!(things.refused().await?, 0);
    assert!(is_exact(&engine, &things.name).await?);
    things.roll_back(&engine, Loss::Refused).await
}
