//! After the cutover the old side keeps each value that the new row still stands for, where the
//! way back would not give it again; what has been written since follows.

use crossfade_engine::{EngineError, Loss};
use crossfade_testkit::Result;

use crate::way::{Command, DONE, ITEMS, Way};

/// A value of the old side's row of a key, as text.
async fn old(way: &Way, column: &str, id: i64) -> Result<Option<String>> {
    let sql = format!("select ({column})::text from public.items__old where id = {id}");
    let rows = way.scene.admin.client().query(&sql, &[]).await?;
    let row = rows.first().ok_or("the old side lacks the row")?;
    Ok(row.get(0))
}

/// A migration of `ITEMS` and `more`, cut over.
async fn cut_over(more: &str, operations: &[&str]) -> Result<Way> {
    let way = Way::verified(&format!("{ITEMS} {more}"), operations).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    Ok(way)
}

/// Nothing of all this was a loss.
async fn back(way: &Way) -> Result<()> {
    assert_eq!(way.run(Command::Rollback(Loss::Refused)).await??, DONE);
    Ok(())
}

/// Whether the way back is refused for what it would lose.
async fn is_lossy(way: &Way) -> Result<bool> {
    let outcome = way.run(Command::Rollback(Loss::Refused)).await?;
    Ok(matches!(outcome, Err(EngineError::WindowClosed(_))))
}

/// How many keys only one side has.
async fn unlike(way: &Way) -> Result<i64> {
    let keys = "select count(*) from public.items as n full join public.items__old as o using (id) \
                where n.id is null or o.id is null";
    way.number(keys).await
}

const SPLIT: &str = "split_column: { column: v, into: [ { name: head, type: text, up: \"split_part(v, ' ', 1)\" }, \
     { name: tail, type: text, up: \"split_part(v, ' ', 2)\" } ], down: \"head || ' ' || tail\" }";

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_kept_until_what_it_was_made_into_is_written() -> Result<()> {
    let names = "update public.items set v = 'Madonna'";
    let way = cut_over(names, &[SPLIT]).await?;
    let app = way.app("app").await?;
    app.run(
        "update public.items set n = 7 where id = 1; \
         update public.items set head = head, n = 8 where id = 2; \
         update public.items set tail = 'Ciccone' where id = 3; \
         insert into public.items (id, head, tail) values (5001, 'Cher', '')",
    )
    .await?;
    assert_eq!(old(&way, "v || n", 1).await?.as_deref(), Some("Madonna7"));
    assert_eq!(old(&way, "v || n", 2).await?.as_deref(), Some("Madonna8"));
    assert_eq!(old(&way, "v", 3).await?.as_deref(), Some("Madonna Ciccone"));
    assert_eq!(old(&way, "v", 5001).await?.as_deref(), Some("Cher "));
    back(&way).await?;
    let kept = "select count(*) from public.items where v = 'Madonna'";
    assert_eq!(way.number(kept).await?, 999);
    Ok(())
}

/// In the upsert that keeps, columns are in scope beside the trigger's own variables.
#[tokio::test(flavor = "multi_thread")]
async fn columns_may_be_called_like_a_triggers_variables() -> Result<()> {
    let columns = "alter table public.items add tg_op text, add old text, add new text, add tg_name text; \
                   update public.items set v = 'Madonna'";
    let way = cut_over(columns, &[SPLIT]).await?;
    let app = way.app("app").await?;
    app.run(
        "update public.items set tg_op = 'INSERT' where id = 1; \
         insert into public.items (id, head, tail, tg_op, old) values (5001, 'Cher', '', 'UPDATE', 'x')",
    )
    .await?;
    let all = "concat(v, tg_op, old)";
    assert_eq!(old(&way, all, 1).await?.as_deref(), Some("MadonnaINSERT"));
    assert_eq!(old(&way, all, 5001).await?.as_deref(), Some("Cher UPDATEx"));
    back(&way).await
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_that_a_cast_has_cut_off_are_kept() -> Result<()> {
    let price = "alter table public.items add price numeric(10,2) not null default 1.23";
    let way = cut_over(
        price,
        &["change_type: { column: price, type: \"numeric(10,1)\" }"],
    )
    .await?;
    let app = way.app("app").await?;
    app.run(
        "update public.items set v = 'w' where id = 1; \
         update public.items set price = 1.3 where id = 2",
    )
    .await?;
    assert_eq!(old(&way, "price", 1).await?.as_deref(), Some("1.23"));
    assert_eq!(old(&way, "price", 2).await?.as_deref(), Some("1.30"));
    back(&way).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_value_is_kept_until_what_its_way_back_reads_is_written() -> Result<()> {
    let legacy = "alter table public.items add code text not null default 'old', \
                  add label text not null default 'mine'";
    let way = cut_over(
        legacy,
        &[
            "drop_column: { column: code, down: \"'none'\" }",
            "drop_column: { column: label, down: \"upper(v)\" }",
        ],
    )
    .await?;
    let app = way.app("app").await?;
    app.run(
        "update public.items set n = 7 where id = 1; \
         update public.items set v = 'w' where id = 2; \
         insert into public.items (id, v) values (5001, 'x')",
    )
    .await?;
    let both = "code || ' ' || label";
    assert_eq!(old(&way, both, 1).await?.as_deref(), Some("old mine"));
    assert_eq!(old(&way, both, 2).await?.as_deref(), Some("old W"));
    assert_eq!(old(&way, both, 5001).await?.as_deref(), Some("none X"));
    back(&way).await
}

/// Where one of them has to be written, so are the others: half a name of the old row and half of
/// the new one are nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_were_made_into_one_are_kept_together() -> Result<()> {
    let names = "alter table public.items add first text not null default 'Jean Paul', \
                 add last text not null default 'Sartre'";
    let merge = "merge_columns: { columns: [first, last], into: { name: full_name, type: text, \
                 up: \"first || ' ' || last\" }, down: { first: \"split_part(full_name, ' ', 1)\", \
                 last: \"split_part(full_name, ' ', 2)\" } }";
    let shout = "add_column: { name: shout, type: text, up: upper(last) }";
    let way = cut_over(names, &[merge, shout]).await?;
    let app = way.app("app").await?;
    app.run(
        "update public.items set n = 7 where id = 1; \
         update public.items set full_name = 'Simone Weil' where id = 2; \
         update public.items set shout = 'WHO?' where id = 3",
    )
    .await?;
    let both = "first || '/' || last";
    assert_eq!(
        old(&way, both, 1).await?.as_deref(),
        Some("Jean Paul/Sartre")
    );
    assert_eq!(old(&way, both, 2).await?.as_deref(), Some("Simone/Weil"));
    assert_eq!(old(&way, both, 3).await?.as_deref(), Some("Jean/Paul"));
    back(&way).await
}

/// What `up` would make of the old side's row says nothing of who wrote it: it has never seen the
/// values of the way back, and it may read columns that have been written since.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_kept_whatever_up_would_make_of_it_now() -> Result<()> {
    let number = "update public.items set v = '5'";
    let number = format!(
        "{number}; alter table public.items add code text not null default 'secret', add email text"
    );
    let change =
        "change_type: { column: v, type: integer, up: \"v::integer\", down: \"'no. ' || v\" }";
    let code = "drop_column: { column: code, down: \"'none'\" }";
    let email = "set_not_null: { column: email, up: \"n || '@x'\" }";
    let way = cut_over(&number, &[change, code, email]).await?;
    let app = way.app("app").await?;
    app.run("update public.items set v = 6 where id = 1")
        .await?;
    assert_eq!(old(&way, "v", 1).await?.as_deref(), Some("no. 6"));
    app.run("update public.items set n = 7, v = 7 where id = 1")
        .await?;
    assert_eq!(old(&way, "v || n", 1).await?.as_deref(), Some("no. 77"));
    app.run("update public.items set n = 7 where id = 2")
        .await?;
    assert_eq!(old(&way, "v || n", 2).await?.as_deref(), Some("57"));
    app.run("update public.items set v = 8 where id = 2")
        .await?;
    let untouched =
        "select count(*) from public.items__old where code = 'secret' and email is null";
    assert_eq!(way.number(untouched).await?, 1000);
    back(&way).await
}

/// A value that the way back has made is no original: what is written later is written there too,
/// though it would be made of that value as well.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_way_back_has_made_is_not_kept_from_what_is_written_later() -> Result<()> {
    let way = cut_over("", &[SPLIT]).await?;
    let app = way.app("app").await?;
    app.run(
        "insert into public.items (id, head, tail) values (5001, 'A B', 'C'); \
         update public.items set head = 'A', tail = 'B' where id = 5001",
    )
    .await?;
    assert_eq!(old(&way, "v", 5001).await?.as_deref(), Some("A B"));
    back(&way).await
}

/// What rows are moved and added by within another statement.
const NESTED: &str = "create function public.moved(a int, b int) returns int language sql as \
         'update public.items set id = b where id = a returning id'; \
     create function public.added(a int) returns int language sql as \
         'insert into public.items (id, head) values (a, ''new'') returning id'";

/// Rows that take each other's place within a statement, after the transaction has written or locked
/// them before; and a nested statement that takes nothing from anybody.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_replaced_in_one_statement_are_no_loss() -> Result<()> {
    for begin in ["begin", "begin isolation level repeatable read"] {
        let legacy = "alter table public.items add legacy text; \
                      update public.items set legacy = 'l' || id";
        let way = cut_over(legacy, &["drop_column: { column: legacy }", SPLIT]).await?;
        way.scene.admin.run(NESTED).await?;
        let app = way.app("app").await?;
        for statements in [
            "update public.items set n = 1 where id = 1; \
             with gone as (delete from public.items where id = 1 returning id) \
                 insert into public.items (id, head, tail) select id, 'a', 'b' from gone",
            "select from public.items where id = 2 for update; savepoint a; \
             with gone as (delete from public.items where id = 2 returning id) \
                 insert into public.items (id, head, tail) select id, 'a', 'b' from gone",
            "update public.items set n = 1 where id in (3, 4); \
             with gone as (delete from public.items where id = 3 returning id) \
                 update public.items set id = 3 where id = 4 and exists (select from gone)",
            "with written as (update public.items set n = 1 where id = 5 returning id) \
                 select public.moved(5, 5005), public.moved(6, 5) from written",
            "insert into public.items (id, head, tail) values (5007, 'c', 'd'); \
             select from public.items where id in (7, 5007) for update; \
             update public.items set id = id + 10000 where id in (7, 5007)",
        ] {
            app.run(&format!("{begin}; {statements}; commit")).await?;
        }
        let both = "coalesce(legacy, '') || ' ' || v";
        for (id, expected) in [
            (1, " a b"),
            (2, " a b"),
            (3, "l4 v4"),
            (5, "l6 v6"),
            (5005, "l5 v5"),
            (10_007, "l7 v7"),
            (15_007, " c d"),
        ] {
            assert_eq!(old(&way, both, id).await?.as_deref(), Some(expected));
        }
        back(&way).await?;
    }
    Ok(())
}

/// Statements that are nested in another, whose events come before those of the outer one: whose the
/// old values are is not known then, and the way back is not without loss.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_move_out_of_order_are_a_loss() -> Result<()> {
    let nested = [
        // Into the place that another row is still to leave in the mirror.
        "with moved as (update public.items set id = 5001 where id = 1 returning id) \
             select public.moved(2, 1) from moved",
        // The row itself, on.
        "with moved as (update public.items set id = 5001 where id = 1 returning id) \
             select public.moved(5001, 5002) from moved",
        // A new row in such a place.
        "with moved as (update public.items set id = 5001 where id = 1 returning id) \
             select public.added(1) from moved",
        // The same, where the other row has gone.
        "with gone as (delete from public.items where id = 1 returning id) \
             select public.added(1) from gone",
        // Away, with a value whose own event comes later.
        "with written as (update public.items set head = 'x' where id = 1 returning id) \
             select public.moved(1, 5001) from written",
        "begin isolation level repeatable read; \
         with moved as (update public.items set id = 5001 where id = 1 returning id) \
             select public.moved(5001, 5002) from moved; \
         commit",
        "begin isolation level repeatable read; \
         with moved as (update public.items set id = 5001 where id = 1 returning id) \
             select public.added(1) from moved; \
         commit",
    ];
    for statement in nested {
        let legacy = "alter table public.items add legacy text not null default 'l'";
        let way = cut_over(legacy, &["drop_column: { column: legacy }", SPLIT]).await?;
        way.scene.admin.run(NESTED).await?;
        way.app("app").await?.run(statement).await?;
        assert_eq!(unlike(&way).await?, 0, "{statement}");
        assert!(is_lossy(&way).await?, "{statement}");
    }
    Ok(())
}

/// Two keys of the new side may be one of the old side: the old row is that of the key that it gives
/// back, and the other one can't be there.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_would_be_another_rows_on_the_old_side_is_a_loss() -> Result<()> {
    let plain = "alter table public.items alter column id drop identity";
    for write in [
        "insert into public.items (id, v) values ('01', 'second'); delete from public.items where id = '01'",
        "insert into public.items (id, v) values ('01', 'second')",
        "update public.items set id = '01' where id = '2'",
        "insert into public.items (id, v) values ('01', 'second'); \
         update public.items set v = 'third' where id = '01'; \
         update public.items set id = '002' where id = '01'",
    ] {
        let way = cut_over(plain, &["change_type: { column: id, type: text }"]).await?;
        way.app("app").await?.run(write).await?;
        assert_eq!(old(&way, "v", 1).await?.as_deref(), Some("v1"), "{write}");
        let moved = write.contains("'2'");
        let rows = way.number("select count(*) from public.items__old").await?;
        assert_eq!(rows, if moved { 999 } else { 1000 }, "{write}");
        // Nor does a repair give the place to the other.
        let _mismatch = way.repair().await;
        assert_eq!(old(&way, "v", 1).await?.as_deref(), Some("v1"), "{write}");
        assert!(is_lossy(&way).await?, "{write}");
    }
    Ok(())
}

/// An identity GENERATED ALWAYS takes a value only when the row is added.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_no_update_can_set_follows() -> Result<()> {
    let number = "alter table public.items alter column id drop identity, \
                      add seq integer generated always as identity";
    let way = cut_over(number, &["add_check: { name: positive, check: n >= 0 }"]).await?;
    let app = way.app("app").await?;
    app.run("update public.items set seq = default where id = 1")
        .await?;
    let same = "select count(*) from public.items join public.items__old using (id, seq, v, n)";
    assert_eq!(way.number(same).await?, 1000);
    back(&way).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_takes_its_old_values_along_to_another_key() -> Result<()> {
    let legacy = "alter table public.items add legacy text; \
                  update public.items set legacy = 'l' || id";
    let way = cut_over(legacy, &["drop_column: { column: legacy }", SPLIT]).await?;
    let app = way.app("app").await?;
    app.run(
        "update public.items set id = 5001 where id = 1; \
         update public.items set id = 5002, head = 'x' where id = 2; \
         delete from public.items where id = 3; \
         update public.items set id = 3 where id = 4",
    )
    .await?;
    let both = "legacy || ' ' || v";
    assert_eq!(old(&way, both, 5001).await?.as_deref(), Some("l1 v1"));
    assert_eq!(old(&way, both, 5002).await?.as_deref(), Some("l2 x "));
    assert_eq!(old(&way, both, 3).await?.as_deref(), Some("l4 v4"));
    let rows = "select count(*) from public.items__old";
    assert_eq!(way.number(rows).await?, 999);
    back(&way).await?;
    let rows = "select count(*) from public.items where legacy is null";
    assert_eq!(way.number(rows).await?, 0);
    Ok(())
}

/// Keys that move into each other's places in one statement: each row's event comes when all of
/// them have moved.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_move_in_one_statement_keep_each_its_own() -> Result<()> {
    // Rows lie in the descending order of their keys, so that each place is free in its turn.
    let legacy = "truncate public.items; alter table public.items add legacy text, add uid int; \
                  insert into public.items (id, uid, v, legacy) \
                  select k, k, 'v' || k, 'l' || k from generate_series(9, 1, -1) as k";
    let way = cut_over(legacy, &["drop_column: { column: legacy }", SPLIT]).await?;
    let app = way.app("app").await?;
    app.run("update public.items set id = id + 1 where id >= 5")
        .await?;
    let moved = "select count(*) from public.items__old where uid >= 5 \
                 and (id <> uid + 1 or legacy <> 'l' || uid or v <> 'v' || uid)";
    assert_eq!(way.number(moved).await?, 0);
    app.run(
        "with gone as (update public.items set id = id + 1000 where id = 1 returning id) \
             insert into public.items (id, uid, head, tail) select 1, 100, 'new', '' from gone; \
         with gone as (delete from public.items where id = 2 returning id) \
             insert into public.items (id, uid, head, tail) select 2, 200, 'new', '' from gone; \
         insert into public.items (id, uid, head, tail) values (3, 300, 'a', ''), (3, 300, 'b', '') \
             on conflict (id) do update set id = items.id + 1000",
    )
    .await?;
    let all = "legacy || ' ' || v";
    assert_eq!(old(&way, all, 1001).await?.as_deref(), Some("l1 v1"));
    assert_eq!(old(&way, all, 1003).await?.as_deref(), Some("l3 v3"));
    let fresh = "select count(*) from public.items__old where id in (1, 2, 3) \
                 and legacy is null and v in ('new ', 'b ')";
    assert_eq!(way.number(fresh).await?, 3);
    let keys = "select count(*) from public.items as n full join public.items__old as o using (id) \
                where n.id is null or o.id is null or n.uid <> o.uid";
    assert_eq!(way.number(keys).await?, 0);
    back(&way).await
}

/// A trigger of somebody's moves a row on, and puts another in the place of a third, before the
/// statement's own events for these rows fire.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_trigger_moves_meanwhile_leaves_neither_ghost_nor_gap() -> Result<()> {
    let legacy = "alter table public.items add legacy text; \
                  update public.items set legacy = 'l' || id";
    let way = cut_over(legacy, &["drop_column: { column: legacy }", SPLIT]).await?;
    way.scene
        .admin
        .run(
            "create function public.meddle() returns trigger language plpgsql as $$ begin \
                 update public.items set id = 5303 where id = 5003; \
                 insert into public.items (id, head, tail) values (2, 'new', ''); \
                 return null; end $$; \
             create trigger meddle after update on public.items for each row \
                 when (pg_trigger_depth() = 0 and old.id = 1) execute function public.meddle()",
        )
        .await?;
    let app = way.app("app").await?;
    app.run("update public.items set id = id + 5000 where id in (1, 2, 3)")
        .await?;
    let meddled = "select count(*) from public.items where id in (2, 5001, 5002, 5303)";
    assert_eq!(way.number(meddled).await?, 4);
    assert_eq!(unlike(&way).await?, 0);
    let both = "legacy || ' ' || v";
    assert_eq!(old(&way, both, 5001).await?.as_deref(), Some("l1 v1"));
    assert_eq!(old(&way, "v", 2).await?.as_deref(), Some("new "));
    Ok(())
}

/// What its way back reads has changed with the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_made_of_the_key_is_made_anew_with_it() -> Result<()> {
    let code = "alter table public.items add code text; update public.items set code = 'c' || id";
    let way = cut_over(
        code,
        &["drop_column: { column: code, down: \"'id ' || id\" }"],
    )
    .await?;
    let app = way.app("app").await?;
    app.run("update public.items set id = 5001 where id = 1")
        .await?;
    assert_eq!(old(&way, "code", 5001).await?.as_deref(), Some("id 5001"));
    assert_eq!(old(&way, "code", 2).await?.as_deref(), Some("c2"));
    back(&way).await
}

/// Where the old side cannot move the row, the values are lost, and that is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_move_is_a_loss() -> Result<()> {
    let always = "alter table public.items alter column id set generated always; \
                  alter table public.items add legacy text not null default 'l'";
    let way = cut_over(always, &["drop_column: { column: legacy }"]).await?;
    let app = way.app("app").await?;
    app.run("update public.items set id = default where id = 1")
        .await?;
    let outcome = way.run(Command::Rollback(Loss::Refused)).await?;
    assert!(
        matches!(&outcome, Err(EngineError::WindowClosed(loss)) if loss.rows == 1),
        "{outcome:?}"
    );
    assert_eq!(way.run(Command::Rollback(Loss::Accepted)).await??, DONE);
    Ok(())
}

/// The way back makes something of NULL: a row that nobody has written is none the less right, and
/// a repair has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn untouched_rows_stay_whatever_is_verified_and_repaired() -> Result<()> {
    let email = "alter table public.items add email text, add legacy text; \
                 update public.items set legacy = 'precious'; \
                 update public.items set email = 'e' where id > 1";
    let way = cut_over(
        email,
        &[
            "set_not_null: { column: email, up: \"concat('unknown-', id)\" }",
            "drop_column: { column: legacy }",
        ],
    )
    .await?;
    way.verify().await?;
    way.repair().await?;
    back(&way).await?;
    let kept = "select count(*) from public.items where legacy = 'precious' \
                and (email is null) = (id = 1)";
    assert_eq!(way.number(kept).await?, 1000);
    Ok(())
}

/// A key that reads differently and is equal none the less is no other row's.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_only_reads_differently_stays_where_it_is() -> Result<()> {
    let numeric = "alter table public.items alter column id drop identity; \
                   alter table public.items alter column id type numeric; \
                   alter table public.items add legacy text not null default 'l'";
    let way = cut_over(numeric, &["drop_column: { column: legacy }", SPLIT]).await?;
    let app = way.app("app").await?;
    app.run(
        "update public.items set id = 1.00 where id = 1; delete from public.items where id = 2",
    )
    .await?;
    let all = "id || ' ' || legacy || ' ' || v";
    assert_eq!(old(&way, all, 1).await?.as_deref(), Some("1.00 l v1"));
    let rows = "select count(*) from public.items__old";
    assert_eq!(way.number(rows).await?, 999);
    back(&way).await
}
