//! The oracle finds each kind of damage, and is content where there is none.

use crossfade_testkit::{
    Comparison, Differences, OracleError, Result, Role, Session, TestDatabase,
};

const TABLES: &str = "
    create table control (a int, b text, score int, name text, primary key (a, b));
    create table result (a bigint, b text, score bigint, first text, last text, primary key (a, b));
    insert into control select n, 'k' || n, nullif(n % 5, 0), 'Ada N' || n
        from generate_series(1, 100) as n;
    insert into result select a, b, score, split_part(name, ' ', 1), split_part(name, ' ', 2)
        from control";

const COMPARISON: Comparison<'_> = Comparison {
    control: "public.control",
    result: "public.result",
    key: &[("a", "a"), ("b", "b")],
    columns: &[
        ("score", "score"),
        ("split_part(name, ' ', 1)", "first"),
        ("split_part(name, ' ', 2)", "last"),
    ],
};

/// Damages the result; returns the differences that are found.
async fn differences(observer: &Session, damage: &str) -> Result<Differences> {
    observer.run("drop table if exists control, result").await?;
    observer.run(TABLES).await?;
    observer.run(damage).await?;
    match COMPARISON.run(observer).await {
        Err(OracleError::Differ(found)) => Ok(found),
        other => Err(format!("{damage}: {other:?}").into()),
    }
}

#[tokio::test]
async fn equal_tables_are_equal() -> Result<()> {
    let database = TestDatabase::create().await?;
    let observer = database.session("observer", Role::Superuser).await?;
    observer.run(TABLES).await?;
    assert_eq!(COMPARISON.run(&observer).await?, 100);
    Ok(())
}

#[tokio::test]
async fn each_damage_is_found_with_its_key() -> Result<()> {
    let database = TestDatabase::create().await?;
    let observer = database.session("observer", Role::Superuser).await?;
    let both = |key: &str| (vec![key.to_owned()], vec![key.to_owned()]);
    let cases = [
        (
            "delete from result where a = 100",
            (vec!["100, k100".to_owned()], vec![]),
        ),
        (
            "insert into result values (7, 'x', 1, 'a', 'b')",
            (vec![], vec!["7, x".to_owned()]),
        ),
        (
            "update result set score = score + 1 where a = 3",
            both("3, k3"),
        ),
        (
            "update result set score = 4294967296 + score where a = 4",
            both("4, k4"),
        ),
        ("update result set score = 0 where a = 5", both("5, k5")),
        ("update result set last = null where a = 6", both("6, k6")),
        (
            "update result set first = last, last = first where a = 7",
            both("7, k7"),
        ),
        (
            "update control set name = 'Ada ' where a = 8; update result set last = null where a = 8",
            both("8, k8"),
        ),
    ];
    for (damage, (missing_keys, extra_keys)) in cases {
        let found = differences(&observer, damage).await?;
        let expected = Differences {
            missing: i64::try_from(missing_keys.len())?,
            extra: i64::try_from(extra_keys.len())?,
            missing_keys,
            extra_keys,
        };
        assert_eq!(found, expected, "{damage}");
    }
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_there_twice_is_found() -> Result<()> {
    let database = TestDatabase::create().await?;
    let observer = database.session("observer", Role::Superuser).await?;
    let twice = "alter table result drop constraint result_pkey;
                 insert into result select * from result where a <= 30";
    let found = differences(&observer, twice).await?;
    assert_eq!((found.missing, found.extra), (0, 30));
    assert_eq!(found.extra_keys.len(), 20, "not all keys are kept");
    Ok(())
}

#[tokio::test]
async fn two_empty_tables_prove_nothing() -> Result<()> {
    let database = TestDatabase::create().await?;
    let observer = database.session("observer", Role::Superuser).await?;
    observer.run(TABLES).await?;
    observer.run("truncate control, result").await?;
    let outcome = COMPARISON.run(&observer).await;
    assert!(matches!(outcome, Err(OracleError::NoRows)), "{outcome:?}");
    Ok(())
}
