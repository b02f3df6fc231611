//! What hangs on a table comes along: rights, storage, comments, conditions, sequences.

use crossfade_plan::Stage;
use crossfade_plan::execution::Action;
use crossfade_testkit::Result;
use crossfade_testkit::catalog_diff::diff;

use crate::fixture::Fixture;

const RICH: &str = "
    alter default privileges grant select on tables to APP;
    alter default privileges grant usage on sequences to APP;
    create unlogged table public.t (
        id bigserial primary key,
        a text collate \"C\" not null default 'x',
        b numeric(10,2) check (b > 0),
        c jsonb,
        d int generated always as (length(a)) stored,
        e varchar(20) unique,
        f text[] not null default '{}',
        constraint late check (id > 0) no inherit
    ) with (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
    revoke all on public.t from APP;
    grant insert, update on public.t to APP with grant option;
    grant select (a, b) on public.t to APP;
    grant select on public.t to public;
    alter table public.t alter column a set storage external, alter column a set statistics 500,
        alter column a set (n_distinct = -0.5), alter column c set compression pglz;
    insert into public.t (a, b, e) select 'a' || n, n, 'e' || n from generate_series(1, 40) as n;
    alter table public.t add constraint never_checked check (b < 10) not valid;
    create index t_a on public.t (a collate \"en_US.utf8\" text_pattern_ops desc nulls last, lower(e)) include (b) with (fillfactor = 50) where b > 1;
    create index t_c on public.t using gin (c jsonb_path_ops);
    create unique index t_full on public.t (id, a);
    alter index public.t_a alter column 2 set statistics 300;
    alter table public.t cluster on t_e_key;
    alter table public.t replica identity using index t_full;
    comment on table public.t is 'It''s a table';
    comment on column public.t.b is 'money';
    comment on index public.t_a is 'an index';
    comment on constraint t_e_key on public.t is 'a constraint';
    comment on constraint late on public.t is 'a check';";

#[tokio::test]
async fn everything_comes_along() -> Result<()> {
    let fixture = Fixture::new(&RICH.replace("en_US.utf8", "POSIX")).await?;
    let plan = fixture
        .sound_plan("name: m\ntable: t\noperations:\n  - add_column: { name: new, type: int }\n")
        .await?;
    // A right that PostgreSQL 17 has brought.
    let printed = fixture.printed(&plan).replace(" maintain,", "");
    insta::assert_snapshot!("rich", printed);
    let before = fixture.table(&plan.file.table).await?;
    fixture.forth_and_back(&plan).await?;
    let mut after = fixture.table(&plan.file.table).await?;
    // But for the column that was asked for, it is the table that it was.
    after.columns.retain(|column| column.name.as_str() != "new");
    assert_eq!(diff(&before, &after), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn both_sides_follow_each_other() -> Result<()> {
    let fixture = Fixture::new(
        "create table public.t (id int primary key, name text not null, gone text not null, v int);
         insert into public.t select n, 'a b', 'g', n from generate_series(1, 30) as n",
    )
    .await?;
    let plan = fixture
        .sound_plan(
            "name: m\ntable: t\noperations:\n  - change_type: { column: id, type: bigint }\n  \
             - drop_column: { column: gone }\n  - rename_column: { column: v, to: w }\n  \
             - split_column: { column: name, into: [ { name: x, type: text, up: \"split_part(name, ' ', 1)\" }, \
             { name: y, type: text, up: \"split_part(name, ' ', 2)\" } ], down: \"concat(x, ' ', y)\" }\n",
        )
        .await?;
    fixture.run_to(&plan, Stage::Expanded).await?;
    fixture.write("insert into public.t values (100, 'c d', 'g', 1); update public.t set v = -1 where id = 1").await?;
    fixture
        .run_between(&plan, Stage::Expanded, Stage::CutOver)
        .await?;
    assert_eq!(
        fixture
            .number("select count(*) from public.t where x = 'c' or w = -1")
            .await?,
        2
    );
    // Neither the dropped column nor a number that the old side can't hold fails a write.
    fixture
        .write("insert into public.t (id, x, y) values (200, 'e', 'f'), (5000000000, 'g', 'h'); delete from public.t where id = 2")
        .await?;
    assert_eq!(
        fixture
            .number("select count(*) from public.t__old where name = 'e f' and gone is null")
            .await?,
        1
    );
    assert_eq!(
        fixture
            .number("select count(*) from public.t__old where id = 2")
            .await?,
        0
    );
    assert_eq!(
        fixture
            .number("select count(*) from crossfade.reverse_loss")
            .await?,
        1
    );
    Ok(())
}

#[tokio::test]
async fn each_index_is_built_outside_a_transaction() -> Result<()> {
    let fixture = Fixture::new(&RICH.replace("en_US.utf8", "POSIX")).await?;
    let plan = fixture
        .sound_plan("name: m\ntable: t\noperations:\n  - add_index: { name: i, columns: [b] }\n")
        .await?;
    let built = plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::ConcurrentIndex { .. }));
    assert_eq!(built.count(), 5);
    Ok(())
}

#[tokio::test]
async fn the_way_back_keeps_what_was_written() -> Result<()> {
    let fixture = Fixture::new(
        "create table public.t (id int generated by default as identity primary key, v text not null check (v <> ''));
         create table public.s (id serial primary key, v text);
         insert into public.t (v) select 'a b' from generate_series(1, 30) as n;
         insert into public.s (v) select 'a b' from generate_series(1, 30) as n",
    )
    .await?;
    for table in ["t", "s"] {
        let text = format!(
            "name: m_{table}\ntable: {table}\noperations:\n  \
             - change_type: {{ column: id, type: bigint }}\n  \
             - change_type: {{ column: v, type: varchar(20), up: upper(v), down: lower(v) }}\n"
        );
        let plan = fixture.sound_plan(&text).await?;
        fixture.run_to(&plan, Stage::CutOver).await?;
        fixture
            .write(&format!("insert into public.{table} (v) values ('NEW'); delete from public.{table} where id = 1"))
            .await?;
        fixture.undo(&plan, Stage::CutOver).await?;
        fixture
            .write(&format!("insert into public.{table} (v) values ('newer')"))
            .await?;
        let query = format!(
            "select count(*) from public.{table} where v in ('a b', 'new', 'newer') and id > 1"
        );
        assert_eq!(fixture.number(&query).await?, 31);
    }
    Ok(())
}

#[tokio::test]
async fn only_what_can_be_refused_is_guarded() -> Result<()> {
    let fixture = Fixture::new(
        "create table public.t (id int primary key, a text, b int not null unique check (b > 0), c numeric(8,2) unique)",
    )
    .await?;
    let guarded = async |operation: &str| -> Result<bool> {
        let plan = fixture
            .sound_plan(&format!(
                "name: m\ntable: t\noperations:\n  - {operation}\n"
            ))
            .await?;
        let mut functions = plan
            .steps
            .iter()
            .filter(|step| step.id.as_str() == "create-dual-write-functions");
        let functions = functions.next().ok_or("no functions")?;
        Ok(functions
            .statements
            .iter()
            .any(|sql| sql.contains("insert into \"crossfade\".\"row_error\"")))
    };
    for total in [
        "change_type: { column: id, type: bigint }",
        "rename_column: { column: b, to: d }",
        "add_column: { name: d, type: text, up: a }",
        "add_index: { name: i, columns: [b] }",
        "drop_column: { column: b }",
    ] {
        assert!(!guarded(total).await?, "{total}");
    }
    for partial in [
        "add_column: { name: d, type: int, up: b + 1 }",
        "add_column: { name: d, type: varchar(3), up: a }",
        "change_type: { column: c, type: \"numeric(9,0)\" }",
        "change_type: { column: b, type: bigint }",
        "set_not_null: { column: a }",
        "add_check: { name: d, check: b < 5 }",
        "add_unique: { columns: [a] }",
        "add_index: { name: i, columns: [a] }",
        "add_column: { name: d, type: int, default: current_setting('a.b')::int }",
    ] {
        assert!(guarded(partial).await?, "{partial}");
    }
    Ok(())
}

/// What an index runs of somebody's own must not find its names in the writer's path: it would run
/// with the owner's rights.
#[tokio::test]
async fn a_function_has_a_path_where_an_index_may_run_somebodys_code() -> Result<()> {
    const CLASS: &str = "
        create table public.t (id int primary key, a int);
        -- Only a superuser may make one.
        reset role;
        create function public.my_order(a int, b int) returns int language sql immutable
            as 'select pg_catalog.btint4cmp(a, b)';
        create operator class public.my_class for type int using btree as
            operator 1 pg_catalog.<, operator 2 pg_catalog.<=, operator 3 pg_catalog.=,
            operator 4 pg_catalog.>=, operator 5 pg_catalog.>, function 1 public.my_order(int, int);";
    let file = "name: m\ntable: t\noperations:\n  - rename_column: { column: a, to: b }\n";
    for (index, pinned) in [
        ("create index on public.t (a)", 2),
        ("create index on public.t (a public.my_class)", 4),
    ] {
        let fixture = Fixture::new(&format!("{CLASS} {index};")).await?;
        let plan = fixture.sound_plan(file).await?;
        let paths = fixture.printed(&plan).matches("set search_path").count();
        assert_eq!(paths, pinned, "{index}");
    }
    Ok(())
}
