//! After the cutover the old side keeps each value that the new row still stands for, where the
//! way back would not give it again; what has been written since follows.

use crossfade_engine::Loss;
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

/// What confirms is an expression of the user's that has never seen the values of the way back.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_confirmed_is_written_and_is_no_loss() -> Result<()> {
    let number = "update public.items set v = '5'";
    let change =
        "change_type: { column: v, type: integer, up: \"v::integer\", down: \"'no. ' || v\" }";
    let way = cut_over(number, &[change]).await?;
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
