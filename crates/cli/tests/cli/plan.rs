//! `crossfade plan`, against a table as it is.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_planner::render;
use crossfade_testkit::{Result, Role, TestDatabase};

use crate::program::Program;

pub(crate) const FILE: &str = "\
name: orders
table: public.orders
operations:
  - change_type: { column: id, type: bigint }
  - drop_column: { column: note }
contract: { approvals: [technical] }
";

/// A database with the table of [`FILE`], and rights to make the state schema.
pub(crate) async fn database() -> Result<TestDatabase> {
    let database = TestDatabase::create().await?;
    let fixture = database.session("fixture", Role::Superuser).await?;
    let (name, owner, migrator) = (database.name(), database.owner(), database.migrator());
    fixture
        .run(&format!(
            "create table public.orders (id int primary key, note text);
             alter table public.orders owner to \"{owner}\";
             insert into public.orders select i, 'hunter2' from generate_series(1, 100) i;
             grant create on database \"{name}\" to \"{migrator}\""
        ))
        .await?;
    Ok(database)
}

#[tokio::test]
async fn a_plan_is_printed_in_three_formats() -> Result<()> {
    let database = database().await?;
    let url = database.url(Role::Migrator);
    let plan = |format: &str| {
        Program::new("plan - --format")
            .argument(format)
            .url(&url)
            .input(FILE.as_bytes())
            .run()
    };
    let document = plan("json")?.json()?;
    assert_eq!(document["schema"], "crossfade.plan/1");
    let read: ExecutionPlan = serde_json::from_value(document["plan"].clone())?;
    assert_eq!(read.file.name.as_str(), "orders");
    for (format, expected) in [("text", render::text(&read)), ("sql", render::sql(&read))] {
        let run = plan(format)?;
        assert_eq!(
            (run.code, run.stdout, run.stderr),
            (Some(0), expected, String::new())
        );
    }
    assert_eq!(
        plan("json")?.json()?,
        document,
        "the same plan, to the byte"
    );

    let observer = database.session("observer", Role::Superuser).await?;
    let made = "select count(*) from pg_catalog.pg_namespace where nspname = 'crossfade'";
    assert_eq!(
        observer.query_one_value::<i64>(made).await?,
        0,
        "a plan changes nothing"
    );
    Ok(())
}

#[tokio::test]
async fn a_plan_is_written_whole_or_not_at_all() -> Result<()> {
    let database = database().await?;
    let url = database.url(Role::Migrator);
    let directory = tempfile::tempdir()?;
    let plan = |line: &str| {
        Program::new(line)
            .directory(directory.path())
            .url(&url)
            .input(FILE.as_bytes())
            .run()
    };
    std::fs::write(directory.path().join("plan.json"), "an older one")?;
    let run = plan("plan - --format json --out plan.json")?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        std::fs::read_to_string(directory.path().join("plan.json"))?,
        run.stdout
    );

    let run = plan("plan - --format json --out nowhere/plan.json")?;
    assert_eq!(
        (run.code, &run.error()?["code"]),
        (Some(2), &"E0009".into())
    );
    assert_eq!(
        std::fs::read_dir(directory.path())?.count(),
        1,
        "nothing is left over"
    );
    Ok(())
}

#[tokio::test]
async fn a_plan_that_does_not_fit_is_refused_with_its_place() -> Result<()> {
    let database = database().await?;
    let url = database.url(Role::Migrator);
    let plan = |text: String| {
        Program::new("plan -")
            .url(&url)
            .input(text.as_bytes())
            .run()
    };
    let run = plan(FILE.replace("public.orders", "public.nothing"))?;
    insta::assert_snapshot!("unknown_table", run.shown());
    let run = plan(FILE.replace("column: note", "column: nothing"))?;
    insta::assert_snapshot!("unknown_column", run.shown());
    Ok(())
}
