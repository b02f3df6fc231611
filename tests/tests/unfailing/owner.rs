//! The triggers write as the table's owner: what he may not do is found before.

use crossfade_engine::EngineError;
use crossfade_testkit::Result;
use crossfade_tests::plan_file;

use crate::Things;

const TABLE: &str = "create table public.things (id integer primary key, n integer)";
const PLAN: &str = "
name: things
table: public.things
operations:
  - change_type: { column: id, type: bigint }
";

async fn expect_refused(change: &str, told: &str) -> Result<()> {
    expect_plan_refused(PLAN, change, told).await
}

async fn expect_plan_refused(plan: &str, change: &str, told: &str) -> Result<()> {
    let things = Things::create(TABLE).await?;
    let (owner, migrator) = (
        things.scene.database.owner(),
        things.scene.database.migrator(),
    );
    let change = change
        .replace("OWNER", &format!("\"{owner}\""))
        .replace("MIGRATOR", &format!("\"{migrator}\""));
    things.scene.admin.run(&change).await?;
    let engine = things.scene.engine().await?;
    let Err(EngineError::Preflight(report)) = engine.expand(&plan_file(plan)?, None).await else {
        return Err("it was expanded".into());
    };
    let text = format!("{report:?}");
    assert!(text.contains(told), "{text}");
    assert_eq!(things.scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_taken_his_own_rights_away() -> Result<()> {
    expect_refused(
        "revoke insert, truncate on public.things from OWNER",
        "has not INSERT, TRUNCATE on it",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_use_the_schema() -> Result<()> {
    expect_refused(
        "revoke usage on schema public from public; revoke usage on schema public from OWNER",
        "may not use schema",
    )
    .await
}

/// Found after the copy, it would cost all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_swap_needs_and_somebody_has() -> Result<()> {
    expect_refused(
        "create sequence public.things_pkey__old",
        "things_pkey__old",
    )
    .await
}

/// As the migrating role they may be called: asked as that, the plan is fine.
const CALLS: &str = "create schema helpers; grant usage on schema helpers to public; \
     create function helpers.twice(n integer) returns integer language sql immutable \
         as 'select n * 2'; \
     create function helpers.fine(n integer) returns boolean language plpgsql immutable \
         set search_path = pg_catalog as 'begin return true; end'; ";

fn adding(operation: &str) -> String {
    format!("name: things\ntable: public.things\noperations:\n  - {operation}\n")
}

async fn expect_operation_refused(operation: &str, change: &str, told: &str) -> Result<()> {
    let change = format!("{CALLS}{change}");
    expect_plan_refused(&adding(operation), &change, told).await
}

const TWICE: &str = "add_column: { name: m, type: integer, up: 'helpers.twice(n)' }";

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_execute_a_function_of_the_plan() -> Result<()> {
    let taken = "revoke execute on all functions in schema helpers from public; \
         grant execute on all functions in schema helpers to MIGRATOR";
    let told = |place: &str, function: &str| {
        format!("may not evaluate {place}: permission denied for function {function}")
    };
    expect_operation_refused(TWICE, taken, &told(r#"the value of column \"m\""#, "twice")).await?;
    expect_operation_refused(
        "add_check: { name: fine, check: 'helpers.fine(n)' }",
        taken,
        &told(r#"constraint \"fine\""#, "fine"),
    )
    .await?;
    expect_operation_refused(
        "add_column: { name: m, type: integer, default: 'helpers.twice(1)' }",
        taken,
        &told(r#"the default of column \"m\""#, "twice"),
    )
    .await?;
    expect_operation_refused(
        "change_type: { column: n, type: bigint, up: 'n', down: 'helpers.twice(n::int)' }",
        taken,
        &told(r#"the way back of column \"n\""#, "twice"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_use_the_schema_of_a_function() -> Result<()> {
    let taken =
        "revoke usage on schema helpers from public; grant usage on schema helpers to MIGRATOR";
    expect_operation_refused(TWICE, taken, "permission denied for schema helpers").await
}

/// One that the source has already: the applications may call it.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_execute_a_function_of_a_check() -> Result<()> {
    let taken = "alter table public.things add constraint is_fine check (helpers.fine(n)); \
         revoke execute on all functions in schema helpers from public; \
         grant execute on all functions in schema helpers to MIGRATOR";
    let told = "constraint \\\"is_fine\\\": permission denied for function fine";
    expect_plan_refused(PLAN, &format!("{CALLS}{taken}"), told).await
}
