//! Input that is wrong in every way: each gets an error that names the place and the remedy, the
//! documented exit code, and changes nothing.

use crossfade_testkit::{Result, Role, TestDatabase};

use crate::program::{Program, Run};

/// Nobody listens on the port of tcpmux here.
const NOBODY: &str = "postgresql://me:hunter2@127.0.0.1:1/shop";

const GOOD: &str = "\
name: orders
table: public.orders
operations:
  - drop_column: { column: note }
";

/// Runs `plan` on a file that holds `bytes`.
fn plan(bytes: &[u8]) -> Result<Run> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("plan.yaml"), bytes)?;
    Program::new("plan plan.yaml")
        .directory(directory.path())
        .url(NOBODY)
        .run()
}

#[test]
fn plan_files_that_cannot_be_read() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let in_directory = |line| {
        Program::new(line)
            .directory(directory.path())
            .url(NOBODY)
            .run()
    };
    insta::assert_snapshot!("missing_file", in_directory("plan nowhere.yaml")?.shown());
    insta::assert_snapshot!("directory", in_directory("plan .")?.shown());
    insta::assert_snapshot!("binary_file", plan(b"\x7fELF\x02\xff\xfe\x00")?.shown());
    insta::assert_snapshot!("empty_file", plan(b"")?.shown());
    Ok(())
}

#[test]
fn plan_files_that_are_not_valid() -> Result<()> {
    let unknown = GOOD.replace("table:", "tabel:");
    insta::assert_snapshot!("unknown_key", plan(unknown.as_bytes())?.shown());
    let later = GOOD.replace("drop_column: { column: note }", "drop_index: { name: i }");
    insta::assert_snapshot!("not_supported_yet", plan(later.as_bytes())?.shown());
    let open = GOOD.replace(" }", "");
    insta::assert_snapshot!("no_yaml", plan(open.as_bytes())?.shown());
    Ok(())
}

#[test]
fn an_error_is_an_object_where_json_is_asked_for() -> Result<()> {
    let unknown = GOOD.replace("table:", "tabel:");
    let error = Program::new("plan - --format json")
        .input(unknown.as_bytes())
        .run()?
        .error()?;
    assert_eq!(error["schema"], "crossfade.error/1");
    assert_eq!(error["code"], "E0006");
    assert_eq!(error["position"]["file"], "standard input");
    assert_eq!(error["position"]["line"], 2);
    assert_eq!(error["position"]["column"], 1);
    for key in ["message", "state", "next"] {
        assert!(
            error[key].as_str().is_some_and(|text| !text.is_empty()),
            "{error}"
        );
    }
    let usage = Program::new("plan --format json --frob").run()?;
    assert_eq!(
        (usage.code, &usage.error()?["code"]),
        (Some(2), &"E0002".into())
    );
    Ok(())
}

#[test]
fn command_lines_that_are_not_valid() -> Result<()> {
    for (name, line) in [
        ("no_command", ""),
        ("unknown_command", "migrate"),
        ("misspelt_command", "stauts"),
        ("missing_argument", "plan"),
        ("unknown_option", "list --all"),
        ("unknown_format", "list --format yaml"),
        (
            "url_in_the_wrong_place",
            "list postgresql://me:hunter2@db/shop",
        ),
    ] {
        let run = Program::new(line).run()?;
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
        insta::assert_snapshot!(name, run.shown());
    }
    Ok(())
}

#[test]
fn settings_that_are_not_valid() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let settings = directory.path().join("crossfade.toml");
    std::fs::write(
        &settings,
        "database_url = \"postgresql://me:hunter2@db\"\ncolour = \"no\"\n",
    )?;
    let in_directory = |line| Program::new(line).directory(directory.path()).run();
    let run = in_directory("list")?;
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    insta::assert_snapshot!("settings_file", run.shown());
    insta::assert_snapshot!(
        "settings_file_missing",
        in_directory("list --config x.toml")?.shown()
    );
    let run = Program::new("list")
        .url("postgresql://me:hunter2@db/shop?sslmod=require")
        .run()?;
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    insta::assert_snapshot!("connection_parameter", run.shown());
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_retryable() -> Result<()> {
    for line in ["list", "status", "init", "pause orders", "history orders"] {
        let run = Program::new(line).url(NOBODY).run()?;
        assert_eq!(run.code, Some(8), "{run:?}");
        assert!(!run.stderr.contains("hunter2"), "{run:?}");
    }
    insta::assert_snapshot!(
        "unreachable",
        Program::new("list").url(NOBODY).run()?.shown()
    );
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_not() -> Result<()> {
    let database = TestDatabase::create().await?;
    let url = database.url(Role::Migrator);
    let password = database.server().password();
    let wrong = url.replace(&format!(":{password}@"), ":hunter2@");
    assert_ne!(url, wrong);
    let error = Program::new("list --format json").url(&wrong).run()?;
    assert_eq!(error.code, Some(7), "{error:?}");
    assert!(!error.stderr.contains("hunter2"), "{error:?}");
    assert_eq!(error.error()?["code"], "E0021");
    Ok(())
}

#[tokio::test]
async fn a_state_schema_of_another_version_is_refused() -> Result<()> {
    let database = TestDatabase::create().await?;
    let fixture = database.session("fixture", Role::Superuser).await?;
    fixture
        .run(
            "create schema crossfade;
             create table crossfade.meta (only_row boolean primary key, version integer);
             insert into crossfade.meta values (true, 1000);
             grant usage on schema crossfade to public;
             grant select on crossfade.meta to public",
        )
        .await?;
    let url = database.url(Role::Migrator);
    for line in ["list", "status", "init", "pause orders"] {
        let run = Program::new(line)
            .argument("--format=json")
            .url(&url)
            .run()?;
        assert_eq!(
            (run.code, &run.error()?["code"]),
            (Some(2), &"E0012".into()),
            "{line}"
        );
    }
    fixture.run("update crossfade.meta set version = 0").await?;
    let run = Program::new("list --format json").url(&url).run()?;
    assert_eq!(
        (run.code, &run.error()?["code"]),
        (Some(2), &"E0013".into())
    );
    fixture
        .run("drop table crossfade.meta; create table crossfade.other ()")
        .await?;
    let run = Program::new("init --format json").url(&url).run()?;
    assert_eq!(
        (run.code, &run.error()?["code"]),
        (Some(2), &"E0014".into())
    );
    Ok(())
}
