//! The ways to name a server and to say who one is, and what is told about them.

use crossfade_sandbox::cluster::{Cluster, SUPERUSER};
use crossfade_testkit::{Result, Role, TestDatabase, cluster_options};
use serde_json::Value;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::program::Program;

/// The URL without its password.
fn without_password(database: &TestDatabase) -> String {
    let password = database.server().password();
    database
        .url(Role::Migrator)
        .replace(&format!(":{password}@"), "@")
}

#[tokio::test]
async fn a_password_command_makes_the_password() -> Result<()> {
    let database = TestDatabase::create().await?;
    let list = |command: &str| {
        Program::new("list --format=json --password-cmd")
            .argument(command)
            .env("PATH", "/usr/bin:/bin")
            .url(&without_password(&database))
            .run()
    };
    let good = format!("echo '{}'", database.server().password());
    assert_eq!(list(&good)?.json()?["migrations"], Value::Array(Vec::new()));

    let failed = list("echo hunter2; echo hunter2 >&2; exit 3")?;
    assert!(!failed.stderr.contains("hunter2"), "{failed:?}");
    assert_eq!(
        (failed.code, &failed.error()?["code"]),
        (Some(8), &"E0024".into())
    );
    let empty = list("true")?;
    assert_eq!(
        (empty.code, &empty.error()?["code"]),
        (Some(7), &"E0023".into())
    );
    Ok(())
}

/// What is said of an encrypted connection is said of one that is there.
#[tokio::test]
async fn nothing_is_told_of_a_connection_that_does_not_come_about() -> Result<()> {
    let nowhere = "postgresql://nobody@127.0.0.1:1/none?sslmode=require";
    let failed = Program::new("list").url(nowhere).run()?;
    assert_eq!(failed.code, Some(8), "{failed:?}");
    assert!(!failed.stderr.contains("encrypted"), "{failed:?}");
    Ok(())
}

#[tokio::test]
async fn variables_of_libpq_are_enough() -> Result<()> {
    let database = TestDatabase::create().await?;
    let config: Config = database.url(Role::Migrator).parse()?;
    let host = match &config.get_hosts()[0] {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let run = Program::new("list")
        .env("PGHOST", &host)
        .env("PGPORT", &config.get_ports()[0].to_string())
        .env("PGUSER", database.migrator())
        .env("PGPASSWORD", database.server().password())
        .env("PGDATABASE", database.name())
        .run()?;
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (
            Some(0),
            "No migrations: this database has no state schema \"crossfade\".\n"
        ),
        "{run:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_refused() -> Result<()> {
    let database = TestDatabase::create().await?;
    let url = database
        .server()
        .url("no such database", database.migrator());
    let run = Program::new("list --format json").url(&url).run()?;
    assert_eq!(
        (run.code, &run.error()?["code"]),
        (Some(7), &"E0025".into())
    );
    Ok(())
}

#[tokio::test]
async fn a_replica_is_told_from_a_lost_connection() -> Result<()> {
    let primary = Cluster::start(&cluster_options()).await?;
    let standby = primary.replica("standby").await?;
    let run = Program::new("init --format json")
        .url(&standby.url(SUPERUSER, SUPERUSER))
        .run()?;
    let error = run.error()?;
    assert_eq!((run.code, &error["code"]), (Some(8), &"E0033".into()));
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("the server is a standby"), "{error}");
    Ok(())
}

#[test]
fn the_log_is_json_where_that_is_asked_for_and_holds_no_secret() -> Result<()> {
    let two_servers = "host=127.0.0.1,127.0.0.1 port=1,1 user=me password=hunter2";
    let list = |line: &str| Program::new(line).url(two_servers).run();
    let run = list("list -vvv --log-format json --format json")?;
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
    let lines: Vec<Value> = run
        .stderr
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()?;
    // The log, and the error as the last object.
    assert!(lines.len() > 1, "{run:?}");
    assert!(lines[0]["level"].is_string(), "{run:?}");
    assert_eq!(lines.last().ok_or("a line")?["code"], "E0020");
    assert_eq!(
        list("list --format json")?.stderr.lines().count(),
        1,
        "the log is off"
    );
    Ok(())
}

#[test]
fn colours_come_only_where_they_are_asked_for() -> Result<()> {
    let list = |line: &str| Program::new(line).env("DATABASE_URL", "host=127.0.0.1 port=1 user=me");
    assert!(!list("list").run()?.stderr.contains('\u{1b}'));
    assert!(list("list --color always").run()?.stderr.contains('\u{1b}'));
    assert!(
        list("list")
            .env("CROSSFADE_COLOR", "always")
            .run()?
            .stderr
            .contains('\u{1b}')
    );
    let never = list("list --color never")
        .env("CROSSFADE_COLOR", "always")
        .run()?;
    assert!(!never.stderr.contains('\u{1b}'));
    Ok(())
}
