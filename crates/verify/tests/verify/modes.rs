//! Verdicts: what each mode proves, and when nothing is proved.

use crossfade_plan::file::{Invariant, SqlText};
use crossfade_plan::mapping::{Rewrite, Volatility};
use crossfade_state::{MismatchKind, NewRowError, Verdict};
use crossfade_testkit::Result;
use crossfade_verify::{NotCompared, NotComparedBecause, Reason, VerifyError};

use crate::fixture::{Fixture, cast, computed, copy, id_and, key, key_in, mapping, mismatch};

async fn loaded(rows: u32) -> Result<Fixture> {
    let (ddl, mapping) = id_and("text");
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .load(&format!(
            "select i, 'row ' || i from generate_series(1, {rows}) i"
        ))
        .await?;
    Ok(fixture)
}

fn invariant(name: &str, sql: &str) -> Result<Invariant> {
    Ok(Invariant {
        name: name.to_owned(),
        sql: SqlText::new(sql)?,
    })
}

#[tokio::test]
async fn an_empty_table_is_exactly_that() -> Result<()> {
    let fixture = loaded(0).await?;
    let report = fixture.full().await?;
    assert_eq!((report.verdict, report.source_rows), (Verdict::Exact, 0));
    fixture
        .damage("insert into public.source__new values (1, 'ghost')")
        .await?;
    let report = fixture.full().await?;
    assert_eq!((report.verdict, report.extra), (Verdict::Mismatch, 1));
    Ok(())
}

#[tokio::test]
async fn equal_numbers_are_counted_and_no_more() -> Result<()> {
    let fixture = loaded(30).await?;
    fixture
        .damage("update public.source__new set v = 'wrong' where id = 4")
        .await?;
    let report = fixture.job.counts(&[], "public").await?;
    assert_eq!(
        (report.verdict, report.source_rows, report.target_rows),
        (Verdict::Counted, 30, 30)
    );
    fixture
        .damage("delete from public.source__new where id = 4")
        .await?;
    let report = fixture.job.counts(&[], "public").await?;
    assert_eq!(
        (report.verdict, report.missing, report.extra),
        (Verdict::Mismatch, 1, 0)
    );
    Ok(())
}

#[tokio::test]
async fn a_sample_says_its_bound() -> Result<()> {
    let fixture = loaded(3000).await?;
    let report = fixture.job.sample(300, 7, &[], "public").await?;
    assert_eq!(report.verdict, Verdict::Sampled, "{report:?}");
    let bound = report.bound.ok_or("no bound")?;
    assert!((300..3000).contains(&bound.rows), "{bound:?}");
    assert!((bound.rate * f64::from(u32::try_from(bound.rows)?) - 3.0).abs() < 1e-9);
    Ok(())
}

/// Every row is wrong in one way, so whatever rows are drawn, they show it.
#[tokio::test]
async fn a_sample_sees_each_kind_of_difference() -> Result<()> {
    for (damage, kind) in [
        (
            "update public.source__new set v = 'wrong'",
            MismatchKind::Different,
        ),
        ("delete from public.source__new", MismatchKind::Missing),
        (
            "update public.source__new set id = -id",
            MismatchKind::Extra,
        ),
    ] {
        let fixture = loaded(200).await?;
        fixture.damage(damage).await?;
        let report = fixture.job.sample(20, 7, &[], "public").await?;
        assert_eq!(report.verdict, Verdict::Mismatch, "{damage}");
        let found = fixture.mismatches(&report).await?;
        assert_eq!(i64::try_from(found.len())?, report.differences);
        assert!(
            found.iter().any(|one| one.kind == kind),
            "{damage}: {found:?}"
        );
    }
    Ok(())
}

/// 100 rows fill blocks of their own, 100 others share one: half of the rows drawn are of the one
/// block, though it is one of a hundred.
#[tokio::test]
async fn each_row_has_the_same_chance_however_full_its_block_is() -> Result<()> {
    let (ddl, mapping) = id_and("text");
    let plain = "alter table public.source alter column v set storage plain; \
                 alter table public.source__new alter column v set storage plain";
    let fixture = Fixture::start(&format!("{ddl}; {plain}"), mapping).await?;
    fixture
        .load(
            "select i, case when i <= 100 then repeat('x', 5000) else 'few' end \
             from generate_series(1, 200) i",
        )
        .await?;
    fixture
        .damage("update public.source__new set v = null where id > 100")
        .await?;
    let report = fixture.job.sample(60, 7, &[], "public").await?;
    // The seed decides which; the target's rows were written anew, so it has two such blocks.
    assert!((60..70).contains(&report.source_rows), "{report:?}");
    assert!((30..90).contains(&report.different), "{report:?}");
    Ok(())
}

#[tokio::test]
async fn a_sample_of_more_than_there_is_draws_every_row_once() -> Result<()> {
    let fixture = loaded(50).await?;
    let report = fixture.job.sample(1000, 7, &[], "public").await?;
    assert_eq!((report.source_rows, report.target_rows), (50, 50));
    Ok(())
}

#[tokio::test]
async fn a_sample_finds_extra_rows_where_keys_change_their_type() -> Result<()> {
    for (sql_type, base) in [("bigint", "int8"), ("text", "text")] {
        let ddl = format!(
            "create table public.source (id integer primary key, v text); \
             create table public.source__new (id {sql_type} primary key, v text)"
        );
        let mapping = mapping(
            vec![key_in("pg_catalog", "id", "integer", sql_type)],
            vec![cast("id", sql_type, base), copy("v", "text")],
        );
        let fixture = Fixture::start(&ddl, mapping).await?;
        fixture
            .load("select i, 'row' from generate_series(1, 50) i")
            .await?;
        fixture
            .damage("insert into public.source__new values ('777', 'ghost')")
            .await?;
        let report = fixture.job.sample(1000, 7, &[], "public").await?;
        let found = fixture.mismatches(&report).await?;
        assert_eq!(
            found,
            [mismatch(MismatchKind::Extra, &["777"], &[])],
            "{sql_type}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_invariant_that_returns_rows_is_a_mismatch() -> Result<()> {
    let fixture = loaded(10).await?;
    let good = invariant(
        "ids are positive",
        "select id from source where id <= 0 -- none",
    )?;
    let bad = invariant("no row five", "select * from source where id = 5")?;
    let report = fixture
        .job
        .full(true, std::slice::from_ref(&good), "public")
        .await?;
    assert_eq!(report.verdict, Verdict::Exact, "{report:?}");
    let report = fixture.job.full(true, &[good, bad], "public").await?;
    assert_eq!(report.verdict, Verdict::Mismatch);
    assert_eq!(
        report
            .invariants
            .iter()
            .map(|one| one.rows)
            .collect::<Vec<_>>(),
        [Some(0), Some(1)]
    );
    Ok(())
}

#[tokio::test]
async fn an_invariant_that_cannot_be_run_proves_nothing() -> Result<()> {
    let fixture = loaded(10).await?;
    for (sql, sqlstate) in [
        ("select * from nowhere", "42P01"),
        ("select id from source where 1 / (id - id) > 0", "22012"),
        (
            "select pg_catalog.setval(pg_catalog.pg_get_serial_sequence('source', 'id'), 1) from nowhere",
            "42P01",
        ),
        ("select * from source for update", "25006"),
    ] {
        let report = fixture
            .job
            .full(true, &[invariant("odd", sql)?], "public")
            .await?;
        assert_eq!(report.verdict, Verdict::Inconclusive, "{sql}");
        assert_eq!(
            report.invariants[0].sqlstate.as_deref(),
            Some(sqlstate),
            "{sql}"
        );
        assert_eq!(
            report.reasons,
            [Reason::InvariantFailed {
                name: "odd".to_owned()
            }]
        );
    }
    Ok(())
}

#[tokio::test]
async fn recorded_row_errors_refuse_it() -> Result<()> {
    let fixture = loaded(10).await?;
    let error = NewRowError {
        key: &["4".to_owned()],
        sqlstate: "22003",
        column: None,
        constraint: None,
    };
    let session = fixture.job.store.session("test").await?;
    fixture
        .job
        .store
        .record_row_error(&session, &fixture.job.name, fixture.job.direction, error)
        .await?;
    for fresh in [true, false] {
        let refused = fixture.job.full(fresh, &[], "public").await;
        assert!(
            matches!(refused, Err(VerifyError::RowErrors { count: 1 })),
            "{refused:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_row_without_an_image_proves_nothing() -> Result<()> {
    let ddl = "create table public.source (id integer primary key, v text); \
               create table public.source__new (id integer primary key, v integer)";
    let mapping = mapping(
        vec![key("id", "integer")],
        vec![copy("id", "integer"), cast("v", "integer", "int4")],
    );
    let fixture = Fixture::start(ddl, mapping).await?;
    fixture
        .load("select i, i::text from generate_series(1, 30) i")
        .await?;
    fixture
        .admin
        .run("alter table public.source disable trigger user; update public.source set v = 'x' where id = 9")
        .await?;
    let report = fixture.full().await?;
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert_eq!(
        report.reasons,
        [Reason::Unmappable {
            sqlstate: "22P02".to_owned()
        }]
    );
    Ok(())
}

/// EXACT speaks of the columns that were compared; the others are named.
#[tokio::test]
async fn columns_that_are_not_compared_are_named() -> Result<()> {
    let ddl = "create table public.source (id integer primary key, v text, \
                   n integer generated always as (id + 1) stored); \
               create table public.source__new (id integer primary key, v text, \
                   n integer generated always as (id + 2) stored, added integer default 1)";
    let mapping = mapping(
        vec![key("id", "integer")],
        vec![copy("id", "integer"), copy("v", "text")],
    );
    let fixture = Fixture::start(ddl, mapping).await?;
    fixture
        .load("select i, 'row' from generate_series(1, 20) i")
        .await?;
    let report = fixture.full().await?;
    assert_eq!(report.verdict, Verdict::Exact, "{report:?}");
    let named = |column: &str, because| NotCompared {
        column: column.to_owned(),
        because,
    };
    let left = [
        named("added", NotComparedBecause::NoCounterpart),
        named("n", NotComparedBecause::Generated),
    ];
    assert_eq!(report.not_compared, left);
    assert_eq!(
        report.result().details["not_compared"][1],
        serde_json::json!({ "column": "n", "because": "generated" })
    );
    Ok(())
}

#[tokio::test]
async fn a_volatile_value_is_compared_for_presence() -> Result<()> {
    let ddl = "create table public.source (id integer primary key, v text); \
               create table public.source__new (id integer primary key, v text, token uuid)";
    let mut token = computed(
        "token",
        "uuid",
        "case when id > 0 then gen_random_uuid() end",
    );
    token.volatility = Volatility::Volatile;
    token.rewrite = Rewrite::Never;
    let mapping = mapping(
        vec![key("id", "integer")],
        vec![copy("id", "integer"), copy("v", "text"), token],
    );
    let fixture = Fixture::start(ddl, mapping).await?;
    fixture
        .load("select i, 'row' from generate_series(-5, 20) i")
        .await?;
    let report = fixture.full().await?;
    assert_eq!(report.verdict, Verdict::Exact, "{report:?}");
    assert_eq!(report.presence_only, ["token"]);
    fixture
        .damage("update public.source__new set token = null where id = 7")
        .await?;
    let report = fixture.full().await?;
    let found = fixture.mismatches(&report).await?;
    assert_eq!(
        found,
        [mismatch(MismatchKind::Different, &["7"], &["token"])]
    );
    Ok(())
}

/// An expression sees the source's columns by their bare names, and only those.
#[tokio::test]
async fn expressions_are_compared_as_they_are_written() -> Result<()> {
    let ddl = "create table public.source (id integer primary key, first text, \"Last\" text); \
               create table public.source__new (id integer primary key, first text)";
    let mapping = mapping(
        vec![key("id", "integer")],
        vec![
            copy("id", "integer"),
            computed("first", "text", "first || ' ' || \"Last\" -- both"),
        ],
    );
    let fixture = Fixture::start(ddl, mapping).await?;
    fixture
        .load("select i, 'a' || i, 'b' from generate_series(1, 20) i")
        .await?;
    assert_eq!(fixture.full().await?.verdict, Verdict::Exact);
    fixture
        .damage("update public.source__new set first = 'a3' where id = 3")
        .await?;
    let report = fixture.full().await?;
    let found = fixture.mismatches(&report).await?;
    assert_eq!(
        found,
        [mismatch(MismatchKind::Different, &["3"], &["first"])]
    );
    Ok(())
}

/// Whoever runs a verification may do it in a task of its own.
#[tokio::test]
async fn every_run_can_be_spawned() -> Result<()> {
    fn sent<T: Send>(future: T) -> T {
        future
    }
    let fixture = loaded(10).await?;
    let job = &fixture.job;
    let full = sent(job.full(true, &[], "public")).await?;
    sent(job.sample(5, 1, &[], "public")).await?;
    sent(job.counts(&[], "public")).await?;
    sent(job.self_test(1)).await?;
    sent(job.repair(full.verification, &fixture.actor)).await?;
    Ok(())
}
