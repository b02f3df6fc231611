//! After the cutover the old side follows as far as it can: what it cannot take never fails the
//! application, and the way back says what it would lose.

use crossfade_engine::{EngineError, Loss};
use crossfade_plan::Stage;
use crossfade_plan::event::Event;
use crossfade_testkit::Result;

use crate::way::{Command, DONE, ITEMS, WIDEN, Way};

const OPERATIONS: [&str; 3] = [
    WIDEN,
    "drop_column: { column: gone }",
    "split_column: { column: v, into: [ { name: head, type: text, up: \"split_part(v, '-', 1)\" }, \
     { name: tail, type: text, up: \"split_part(v, '-', 2)\" } ], down: \"head || '-' || tail\" }",
];

async fn cut_over() -> Result<Way> {
    let schema = format!(
        "{ITEMS} alter table public.items add column gone text not null default 'kept';
         alter table public.items alter column gone drop default;
         update public.items set v = 'a-b'"
    );
    let way = Way::verified(&schema, &OPERATIONS).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    Ok(way)
}

pub(crate) fn to_be_run_by_hand(way: &Way) -> usize {
    let events = way.scene.events();
    let told = events
        .iter()
        .filter(|event| matches!(event, Event::Warning { text } if text.contains("by hand")));
    told.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_side_can_take_comes_back() -> Result<()> {
    let way = cut_over().await?;
    let app = way.app("app").await?;
    app.run(
        "insert into public.items (id, head, tail) values (5001, 'c', 'd'); \
         update public.items set head = 'e' where id = 1; \
         delete from public.items where id = 2",
    )
    .await?;
    let old = "select v from public.items__old where id = ";
    let read = async |id: i32| -> Result<Option<String>> {
        let rows = way
            .scene
            .admin
            .client()
            .query(&format!("{old}{id}"), &[])
            .await?;
        Ok(rows.first().map(|row| row.get(0)))
    };
    assert_eq!(read(5001).await?.as_deref(), Some("c-d"));
    assert_eq!(read(1).await?.as_deref(), Some("e-b"));
    assert_eq!(read(2).await?, None);
    // The row of the new version has no value for the column that was dropped.
    let none = "select count(*) from public.items__old where gone is null";
    assert_eq!(way.number(none).await?, 1);
    app.run("delete from public.items where id = 5001").await?;
    assert_eq!(way.run(Command::Rollback(Loss::Refused)).await??, DONE);
    let kept = "select count(*) from public.items where gone = 'kept'";
    assert_eq!(way.number(kept).await?, 999);
    let refused = app
        .run("insert into public.items (v) values ('x')")
        .await
        .expect_err("NOT NULL is back");
    assert_eq!(
        refused.code(),
        Some(&tokio_postgres::error::SqlState::NOT_NULL_VIOLATION)
    );
    assert_eq!(to_be_run_by_hand(&way), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_take_is_counted_and_must_be_accepted() -> Result<()> {
    let way = cut_over().await?;
    let app = way.app("app").await?;
    app.run(
        "insert into public.items (id, head, tail) values (3000000000, 'too', 'wide'); \
         update public.items set head = 'far too' where id = 3000000000; \
         update public.items set id = 3000000001 where id = 7; \
         insert into public.items (id, head, tail) values (5001, 'c', 'd')",
    )
    .await?;
    let outcome = way.run(Command::Rollback(Loss::Refused)).await?;
    match outcome {
        Err(EngineError::WindowClosed(loss)) => {
            assert_eq!(loss.rows, 2);
            assert_eq!(loss.writes, 3);
        }
        other => return Err(format!("{other:?}").into()),
    }
    assert_eq!(way.stage().await?, Stage::CutOver);
    assert_eq!(way.number("select count(*) from public.items").await?, 1002);

    assert_eq!(way.run(Command::Rollback(Loss::Accepted)).await??, DONE);
    assert_eq!(way.stage().await?, Stage::RolledBack);
    assert_eq!(way.number("select count(*) from public.items").await?, 1000);
    // 5001 has no value in the column that is NOT NULL: that is told, with the statement.
    assert!(to_be_run_by_hand(&way) > 0);
    app.run("insert into public.items (v, gone) values ('x', 'y')")
        .await?;
    Ok(())
}

/// A unique index of the old side over what the way back makes of two rows that have nothing to do with
/// each other.
#[tokio::test(flavor = "multi_thread")]
async fn two_rows_that_are_one_to_an_old_unique_index_fail_nobody() -> Result<()> {
    let code = "alter table public.items add code text not null default ''; \
                update public.items set code = 'c' || id; \
                create unique index items_code on public.items (code)";
    let lower = "change_type: { column: code, type: text, up: code, down: lower(code) }";
    let way = Way::verified(&format!("{ITEMS} {code}"), &[lower]).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    way.app("app")
        .await?
        .run("insert into public.items (id, v, code) values (5001, 'x', 'X'), (5002, 'x', 'x')")
        .await?;
    let old = "select count(*) from public.items__old where id > 5000";
    assert_eq!(way.number(old).await?, 1);
    match way.run(Command::Rollback(Loss::Refused)).await? {
        Err(EngineError::WindowClosed(loss)) => assert_eq!(loss.rows, 1),
        other => return Err(format!("{other:?}").into()),
    }
    Ok(())
}

/// The way back makes `Madonna-` of what was `Madonna`: a row that nobody has written since keeps
/// what it had, whatever is verified and repaired.
#[tokio::test(flavor = "multi_thread")]
async fn old_values_that_the_way_back_does_not_give_stay() -> Result<()> {
    let schema = format!("{ITEMS} update public.items set v = 'Madonna' where id > 10");
    let way = Way::verified(&schema, &[OPERATIONS[2]]).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    way.verify().await?;
    way.repair().await?;
    let kept = "select count(*) from public.items__old where v = 'Madonna'";
    assert_eq!(way.number(kept).await?, 990);
    assert_eq!(way.run(Command::Rollback(Loss::Refused)).await??, DONE);
    let kept = "select count(*) from public.items where v = 'Madonna'";
    assert_eq!(way.number(kept).await?, 990);
    Ok(())
}

/// Nobody has counted what was written meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_dual_write_of_the_way_back_must_be_accepted() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    assert_eq!(way.run(Command::Cutover).await??, DONE);
    let trigger = "trigger \"!crossfade_m_reverse\"";
    way.scene
        .admin
        .run(&format!(
            "alter table public.items disable {trigger}; \
             update public.items set n = 5 where id = 1; \
             alter table public.items enable always {trigger}"
        ))
        .await?;
    let outcome = way.run(Command::Rollback(Loss::Refused)).await?;
    assert!(matches!(outcome, Err(EngineError::Gap(_))), "{outcome:?}");
    assert_eq!(way.stage().await?, Stage::CutOver);
    assert_eq!(way.run(Command::Rollback(Loss::Accepted)).await??, DONE);
    Ok(())
}
