//! Rows that the mapping or the target refuses: set aside one by one, tried again by each run.

use std::time::Duration;

use crossfade_backfill::{BackfillError, Ending};
use crossfade_plan::event::Event;
use crossfade_testkit::Result;

use crate::fixture::{ALL, Fixture, spawn};
use crate::gate::{Gate, Place};

/// 300 rows in a few blocks, of which 3 cannot be mapped.
const ROWS: &str = "create table public.t (id int primary key, n int, pad text); \
     insert into public.t select i, i, case when i in (7, 150, 151) then 'x' else i::text end \
         from generate_series(1, 300) i";

const TO_INTEGER: &str = "operations:\n  - add_column: { name: number, type: integer, up: \"pad::integer\" }\n\
     backfill: { workers: 1, batch_size: 100 }\n";

/// The keys that are recorded, and why.
async fn recorded(fixture: &Fixture) -> Result<Vec<(String, String)>> {
    let errors = fixture.row_errors().await?;
    Ok(errors
        .into_iter()
        .map(|error| (error.key.join(","), error.sqlstate))
        .collect())
}

fn keys(keys: &[&str], sqlstate: &str) -> Vec<(String, String)> {
    keys.iter()
        .map(|key| ((*key).to_owned(), sqlstate.to_owned()))
        .collect()
}

async fn end(fixture: &Fixture, row_errors: u64) -> Result<()> {
    assert_eq!(fixture.run().await?.await??, Ending::Copied { row_errors });
    Ok(())
}

#[tokio::test]
async fn rows_that_cannot_be_mapped_are_recorded_and_the_others_copied() -> Result<()> {
    let fixture = Fixture::start(ROWS, TO_INTEGER).await?;
    end(&fixture, 3).await?;
    assert_eq!(fixture.copied().await?, 297);
    assert_eq!(
        recorded(&fixture).await?,
        keys(&["150", "151", "7"], "22P02")
    );
    let told = |event: &&Event| matches!(event, Event::RowError { .. });
    assert_eq!(fixture.events().iter().filter(told).count(), 3);
    // Those beside them count as copied.
    assert_eq!(fixture.rows_counted().await?, 297);

    // Nothing was mended: they are tried again, and stay.
    end(&fixture, 3).await?;
    assert_eq!(
        recorded(&fixture).await?,
        keys(&["150", "151", "7"], "22P02")
    );

    // One is mended, one is gone.
    let app = fixture.app("app").await?;
    app.run("update public.t set pad = '7' where id = 7; delete from public.t where id = 150")
        .await?;
    end(&fixture, 1).await?;
    assert_eq!(recorded(&fixture).await?, keys(&["151"], "22P02"));

    app.run("update public.t set pad = '151' where id = 151")
        .await?;
    end(&fixture, 0).await?;
    assert_eq!(recorded(&fixture).await?, []);
    fixture.assert_copied(299).await?;
    let wrong = format!(
        "select count(*) from {} where number <> pad::int",
        fixture.target()
    );
    assert_eq!(fixture.number(&wrong).await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_the_target_refuses_is_recorded_with_its_column_and_copied_when_it_no_longer_does()
-> Result<()> {
    let fixture = Fixture::start(
        &format!("{ROWS}; update public.t set n = null where id in (1, 300)"),
        "operations:\n  - add_column: { name: extra, type: text }\n",
    )
    .await?;
    let target = fixture.target();
    let alter = format!("alter table {target} alter column n");
    fixture.admin.run(&format!("{alter} set not null")).await?;
    end(&fixture, 2).await?;
    let columns: Vec<_> = fixture
        .row_errors()
        .await?
        .into_iter()
        .map(|error| error.column)
        .collect();
    assert_eq!(columns, [Some("n".to_owned()), Some("n".to_owned())]);
    assert_eq!(recorded(&fixture).await?, keys(&["1", "300"], "23502"));

    // The mapping is mended, no row was written.
    fixture.admin.run(&format!("{alter} drop not null")).await?;
    end(&fixture, 0).await?;
    fixture.assert_copied(300).await
}

#[tokio::test]
async fn more_than_the_plan_allows_stop_the_run() -> Result<()> {
    let operations = TO_INTEGER.replace("workers: 1", "workers: 1, max_errors: 1");
    let fixture = Fixture::start(ROWS, &operations).await?;
    match fixture.run().await?.await? {
        Err(BackfillError::TooManyRowErrors {
            found: 2,
            allowed: 1,
        }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.row_errors().await?.len(), 2, "everything is kept");
    Ok(())
}

/// A row that collides with another one on a unique index that is not the key.
#[tokio::test]
async fn the_violation_of_another_unique_index_is_recorded_and_not_swallowed() -> Result<()> {
    let fixture = Fixture::start(
        &format!("{ROWS}; update public.t set n = 10 where id = 20"),
        "operations:\n  - add_column: { name: extra, type: text }\n",
    )
    .await?;
    fixture
        .admin
        .run(&format!(
            "create unique index stricter on {} (n)",
            fixture.target()
        ))
        .await?;
    let mut job = fixture.job().await?;
    job.patience = Duration::from_secs(2);
    assert_eq!(spawn(job).await??, Ending::Copied { row_errors: 1 });
    assert_eq!(fixture.copied().await?, 299);
    let errors = fixture.row_errors().await?;
    let constraints: Vec<_> = errors
        .iter()
        .map(|error| error.constraint.as_deref())
        .collect();
    assert_eq!(constraints, [Some("stricter")]);
    Ok(())
}

/// Between the piece that fails on it and the record of it: whoever changes the row fires the trigger.
#[tokio::test]
async fn a_refused_row_that_changes_meanwhile_is_not_recorded() -> Result<()> {
    let fixture = Fixture::start(
        "create table public.t (id int primary key, n int, pad text); \
         insert into public.t values (1, 1, '1'), (2, 2, 'x'), (3, 3, '3')",
        TO_INTEGER,
    )
    .await?;
    let gate = Gate::closed(&fixture, Place::Snapshot).await?;
    let mut job = fixture.run().await?;
    let app = fixture.app("app").await?;
    let waits = format!(
        "pg_stat_activity where {} = any (pg_blocking_pids(pid))",
        app.pid()
    );
    let records = format!("select exists (select from {waits} and query like '%race/row-error %')");
    // The chunk, then the pieces of its bisection, until one of them is the row alone.
    loop {
        gate.reached(&mut job).await?;
        // Granted when the piece has ended; what comes next waits for it.
        let locked = app.start("begin; lock table public.t in access exclusive mode");
        fixture.admin.wait_until_blocked(app.pid()).await?;
        gate.let_one_end().await?;
        locked.await??;
        fixture
            .admin
            .wait_until(&format!("select exists (select from {waits})"))
            .await?;
        if fixture.admin.query_one_value(&records).await? {
            break;
        }
        app.run("rollback").await?;
    }
    app.run("update public.t set pad = '2' where id = 2; commit")
        .await?;
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    assert_eq!(recorded(&fixture).await?, []);
    fixture.assert_copied(3).await
}

#[tokio::test]
async fn a_refusal_that_comes_while_the_row_is_tried_again_stays_recorded() -> Result<()> {
    let fixture = Fixture::start(ROWS, TO_INTEGER).await?;
    end(&fixture, 3).await?;
    let app = fixture.app("app").await?;
    app.run("update public.t set pad = '7' where id = 7")
        .await?;
    // What could be copied now is replaced by what can't: the old row is waited for, and found gone.
    app.run(
        "begin; delete from public.t where id = 7; insert into public.t values (7, 7, 'still no number')",
    )
    .await?;
    let mut job = fixture.run().await?;
    let blocked = format!(
        "select exists (select from pg_stat_activity where {} = any (pg_blocking_pids(pid)))",
        app.pid()
    );
    tokio::select! {
        blocked = fixture.admin.wait_until(&blocked) => blocked?,
        ended = &mut job => return Err(format!("it did not wait: {:?}", ended?).into()),
    }
    app.run("commit").await?;
    assert_eq!(job.await??, Ending::Copied { row_errors: 3 });
    assert_eq!(fixture.copied().await?, 297);
    Ok(())
}
