//! What one side refuses that the other side takes: each is the mirror's own matter.

use crossfade_engine::Loss;
use crossfade_testkit::Result;
use crossfade_tests::is_exact;

use crate::{DONE, Things};

/// Longer than any index takes, and not to be compressed.
const LONG: &str = "(select string_agg(md5(i::text), '') from generate_series(1, 400) i)";

const TABLE: &str = "create table public.things (id integer primary key, n integer, note text); \
     insert into public.things select i, i, 'note ' || i from generate_series(1, 300) i";

/// Before the cutover, once the target has all that it will have.
async fn before_the_cutover(schema: &str, operation: &str, write: &str) -> Result<()> {
    let things = Things::create(schema).await?;
    let engine = things.scene.engine().await?;
    things.expand(&engine, operation).await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    things.app.run(write).await?;
    assert_eq!(things.refused().await?, 1);
    things.roll_back(&engine, Loss::Refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_an_added_index_cannot_hold() -> Result<()> {
    before_the_cutover(
        TABLE,
        "  - add_index: { name: things_note, columns: [ note ] }",
        &format!("insert into public.things values (1001, 1, {LONG})"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_which_an_added_indexs_expression_fails() -> Result<()> {
    before_the_cutover(
        TABLE,
        "  - add_index: { name: things_share, columns: [ { expr: 1000 / n } ] }",
        "insert into public.things values (1001, 0, 'none')",
    )
    .await
}

/// An index that the table had takes what it has seen, not what an expression makes of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_which_an_index_of_the_tables_own_fails() -> Result<()> {
    let index = "create index things_share on public.things ((1000 / n)); \
                 update public.things set n = n + 10";
    before_the_cutover(
        &format!("{TABLE}; {index}"),
        "  - change_type: { column: n, type: bigint, up: n / 10, down: n * 10 }",
        "insert into public.things values (1001, 5, 'less than ten')",
    )
    .await
}

/// It fits on a page beside an integer, and not beside a bigint.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_too_large_for_a_page() -> Result<()> {
    let plain = "alter table public.things alter note set storage plain; \
                 insert into public.things values (1000, 1, repeat('x', 8124))";
    let things = Things::create(&format!("{TABLE}; {plain}")).await?;
    let engine = things.scene.engine().await?;
    let operation = "  - change_type: { column: n, type: bigint }";
    things.expand(&engine, operation).await?;
    things
        .app
        .run("insert into public.things values (1001, 1, repeat('x', 8124))")
        .await?;
    assert_eq!(things.refused().await?, 1);
    // And one that was there before is recorded, too.
    engine.backfill(&things.name).await?;
    assert_eq!(things.refused().await?, 2);
    things.roll_back(&engine, Loss::Refused).await
}

/// The owner of a type says how it is made a text.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_a_cast_of_its_types_own_refuses() -> Result<()> {
    let mood = "create type public.mood as enum ('sad', 'bad'); \
                create function public.told(public.mood) returns text language sql immutable \
                  as $$ select (1 / (case when $1 = 'bad' then 0 else 1 end))::text $$; \
                create cast (public.mood as text) with function public.told as assignment";
    let table = "alter table public.things add mood public.mood default 'sad'";
    let things = Things::create(&format!("{mood}; {TABLE}; {table}")).await?;
    let engine = things.accepting().await?;
    let operation = "  - change_type: { column: mood, type: text, down: \"'sad'::public.mood\" }";
    things.expand(&engine, operation).await?;
    things
        .app
        .run("insert into public.things values (1001, 1, 'a', 'bad')")
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

/// The row as a whole is whatever the row is read from.
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_reads_the_row_as_a_whole() -> Result<()> {
    let operation =
        "  - add_column: { name: place, type: bigint, up: \"(to_jsonb(src)->>'n')::bigint\" }";
    mirrored_as_read(TABLE, operation).await
}

/// A trigger's NEW does not have what is computed when it is read (PostgreSQL 18).
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_reads_a_virtual_column() -> Result<()> {
    let table = "do $$ declare kind text := case when current_setting('server_version_num')::integer >= 180000 \
                     then 'virtual' else 'stored' end; \
                 begin execute 'create table public.things (id integer primary key, n integer, note text, \
                     length integer generated always as (pg_catalog.length(note)) ' || kind || ')'; end $$";
    let operation = "  - add_column: { name: size, type: integer, up: length }";
    mirrored_as_read(table, operation).await
}

/// What the trigger makes of a row is what the comparison makes of it.
async fn mirrored_as_read(schema: &str, operation: &str) -> Result<()> {
    let things = Things::create(schema).await?;
    let engine = things.scene.engine().await?;
    things.expand(&engine, operation).await?;
    let write = "insert into public.things (id, n, note) values (1001, 1, 'a'), (1002, 2, 'b'); \
                 update public.things set note = 'abc' where id = 1002";
    things.app.run(write).await?;
    assert_eq!(engine.backfill(&things.name).await?, DONE);
    assert_eq!(things.refused().await?, 0);
    assert!(is_exact(&engine, &things.name).await?);
    things.roll_back(&engine, Loss::Refused).await
}
