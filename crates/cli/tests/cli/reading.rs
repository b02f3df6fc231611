//! Commands that only read.

use crossfade_testkit::{Result, Role, TestDatabase};
use serde_json::json;

use crate::program::Program;

const SCHEMAS: &str = "select count(*) from pg_catalog.pg_namespace where nspname = 'crossfade'";

#[tokio::test]
async fn without_a_state_schema_there_is_nothing_and_nothing_is_made() -> Result<()> {
    let database = TestDatabase::create().await?;
    let url = database.url(Role::Migrator);
    let run = |line: &str| Program::new(line).url(&url).run();
    assert_eq!(
        run("list --format json")?.json()?,
        json!({ "schema": "crossfade.list/1", "migrations": [] })
    );
    for line in ["status --format json", "status orders --format json"] {
        let expected = json!({ "schema": "crossfade.status/1", "migrations": [] });
        assert_eq!(run(line)?.json()?, expected, "{line}");
    }
    assert_eq!(
        run("history orders --format json")?.json()?,
        json!({ "schema": "crossfade.history/1", "name": "orders", "events": [] })
    );
    let watched = json!({ "schema": "crossfade.status/1", "type": "result", "migrations": [] });
    assert_eq!(run("status --watch --format json")?.json()?, watched);
    let nothing =
        |schema: &str| format!("No migrations: this database has no state schema \"{schema}\".\n");
    for line in ["list", "status", "status --watch"] {
        assert_eq!(run(line)?.stdout, nothing("crossfade"));
        let elsewhere = run(&format!("{line} --state-schema elsewhere"))?;
        assert_eq!(elsewhere.stdout, nothing("elsewhere"));
    }
    let superuser = database.session("observer", Role::Superuser).await?;
    assert_eq!(superuser.query_one_value::<i64>(SCHEMAS).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_migration_that_is_not_registered_is_unknown() -> Result<()> {
    let database = TestDatabase::create().await?;
    let grant = format!(
        "grant create on database \"{}\" to \"{}\"",
        database.name(),
        database.migrator()
    );
    database
        .session("fixture", Role::Superuser)
        .await?
        .run(&grant)
        .await?;
    let url = database.url(Role::Migrator);
    assert_eq!(Program::new("init").url(&url).run()?.code, Some(0));
    for line in [
        "status orders",
        "status orders --watch",
        "history orders",
        "pause orders",
        "resume orders",
        "hold orders",
        "unhold orders",
        "set orders batch_size=300",
        "approve orders --role technical",
        "pause No-Such-File.yaml",
    ] {
        let run = Program::new(line)
            .argument("--format=json")
            .url(&url)
            .run()?;
        assert_eq!(
            (run.code, &run.error()?["code"]),
            (Some(2), &"E0011".into()),
            "{line}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_change_of_what_does_not_exist_makes_no_state_schema() -> Result<()> {
    let database = crate::plan::database().await?;
    let run = Program::new("pause orders --format json")
        .url(&database.url(Role::Migrator))
        .run()?;
    assert_eq!(
        (run.code, &run.error()?["code"]),
        (Some(2), &"E0011".into())
    );
    let superuser = database.session("observer", Role::Superuser).await?;
    assert_eq!(superuser.query_one_value::<i64>(SCHEMAS).await?, 0);
    Ok(())
}
