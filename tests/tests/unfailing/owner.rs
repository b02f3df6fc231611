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
    let things = Things::create(TABLE).await?;
    let owner = things.scene.database.owner();
    things
        .scene
        .admin
        .run(&change.replace("OWNER", &format!("\"{owner}\"")))
        .await?;
    let engine = things.scene.engine().await?;
    let Err(EngineError::Preflight(report)) = engine.expand(&plan_file(PLAN)?, None).await else {
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
