//! Every kind of key, and names that need care.

use crossfade_testkit::Result;

use crate::fixture::Fixture;

/// Plans, compares the SQL, and runs it forth and back.
async fn run(name: &str, schema: &str, text: &str) -> Result<Fixture> {
    let fixture = Fixture::new(schema).await?;
    let plan = fixture.sound_plan(text).await?;
    insta::assert_snapshot!(name, fixture.printed(&plan));
    fixture.forth_and_back(&plan).await?;
    Ok(fixture)
}

#[tokio::test]
async fn composite_key_of_uuid_and_text() -> Result<()> {
    let fixture = run(
        "composite",
        "create table public.t (a uuid, b text, c date, v int, primary key (b, a) include (v));
         insert into public.t select gen_random_uuid(), 'b' || n, '2026-01-01', n from generate_series(1, 50) as n",
        "name: m\ntable: t\noperations:\n  - rename_column: { column: b, to: '\"B b\"' }\n  - change_type: { column: a, type: text }\n",
    )
    .await?;
    assert_eq!(
        fixture
            .number("select count(*) from public.t where \"B b\" like 'b%' and a like '%-%'")
            .await?,
        50
    );
    Ok(())
}

#[tokio::test]
async fn identity_that_is_always_generated() -> Result<()> {
    let fixture = run(
        "identity",
        "create table public.t (id int generated always as identity (start 7 increment 3 cache 5), v text,
             primary key (id) with (fillfactor = 80));
         comment on sequence public.t_id_seq is 'Numbers.';
         grant usage on sequence public.t_id_seq to APP;
         insert into public.t (v) select 'v' || n from generate_series(1, 20) as n",
        "name: m\ntable: t\noperations:\n  - change_type: { column: id, type: bigint }\n",
    )
    .await?;
    // The next number follows the last one that was drawn, not the highest that is left.
    let highest = fixture.number("select max(id) from public.t").await?;
    fixture
        .write("insert into public.t (v) values ('next')")
        .await?;
    assert!(fixture.number("select max(id) from public.t").await? > highest);
    assert_eq!(
        fixture
            .number("select seqmax from pg_sequence where seqrelid = 'public.t_id_seq'::regclass")
            .await?,
        i64::MAX
    );
    Ok(())
}

#[tokio::test]
async fn unique_index_in_place_of_a_primary_key() -> Result<()> {
    run(
        "unique_index",
        "create table public.t (a int not null, b int, v text);
         create unique index t_b on public.t (b);
         create unique index t_a on public.t (a desc);
         create unique index t_partial on public.t (a) where v is null;
         insert into public.t select n, n, 'v' from generate_series(1, 20) as n",
        "name: m\ntable: t\noperations:\n  - change_type: { column: a, type: bigint }\n",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn named_key_beside_the_primary_key() -> Result<()> {
    run(
        "named_key",
        "create table public.t (id int primary key, code text not null constraint t_code unique, v int);
         insert into public.t select n, 'c' || n, n from generate_series(1, 20) as n",
        "name: m\ntable: t\nbackfill: { key: t_code }\noperations:\n  - add_column: { name: w, type: int, up: v }\n",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn names_that_need_quotes_or_fill_the_limit() -> Result<()> {
    let long = "x".repeat(59);
    let schema = format!(
        "create table \"Shop 1\".\"{long}äß\" (\"select\" int, \"50% \"\"off\"\"\" text, \"user\" int,
             constraint \"{long}_pk\" primary key (\"select\"));
         create index \"{long}_ix\" on \"Shop 1\".\"{long}äß\" (\"user\", \"50% \"\"off\"\"\");
         insert into \"Shop 1\".\"{long}äß\" select n, 'v', n from generate_series(1, 20) as n"
    );
    let text = format!(
        "name: m\ntable: '\"Shop 1\".\"{long}äß\"'\noperations:\n  \
         - rename_column: {{ column: '\"50% \"\"off\"\"\"', to: '\"table\"' }}\n  \
         - change_type: {{ column: '\"select\"', type: bigint }}\n"
    );
    let fixture = Fixture::new(&schema).await?;
    let plan = fixture.sound_plan(&text).await?;
    fixture.forth_and_back(&plan).await
}
