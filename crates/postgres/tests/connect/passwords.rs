//! Where the password comes from, and what a wrong one does.

use crossfade_postgres::{ConnectError, Connector, PasswordCommand};
use crossfade_sandbox::cluster::ClusterOptions;

use crate::server::{Result, Server, text};

#[tokio::test]
async fn the_password_file_is_read_anew_for_each_connection() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    let port = server.cluster.port();
    let text_without = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    let connector = Connector::new(server.settings(&text_without)?, None)?;

    let error = connector
        .connect("test")
        .await
        .expect_err("there is no password yet");
    assert!(
        matches!(error, ConnectError::Authentication { .. }),
        "{error:?}"
    );
    assert!(!error.is_retryable());

    let entry = format!(
        "127.0.0.1:{port}:*:postgres:{}\n",
        server.cluster.password()
    );
    server.write_own_file(".pgpass", &entry)?;
    let client = connector.connect("test").await?;
    assert_eq!(
        text(
            &client,
            "select pg_catalog.current_setting('password_encryption')"
        )
        .await?,
        "scram-sha-256"
    );
    server.write_own_file(".pgpass", "*:*:*:*:wrong\n")?;
    let error = connector
        .connect("test")
        .await
        .expect_err("the password is wrong now");
    assert!(
        matches!(error, ConnectError::Authentication { .. }),
        "{error:?}"
    );
    assert_eq!(
        error.sqlstate().map(tokio_postgres::error::SqlState::code),
        Some("28P01")
    );
    Ok(())
}

#[tokio::test]
async fn the_password_command_runs_once_for_each_connection_and_wins() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    let runs = server.write_own_file("runs", "")?;
    let command = format!(
        "echo run >> '{}'; echo {}",
        runs.display(),
        server.cluster.password()
    );
    let settings = server.settings(&server.string("password=wrong"))?;
    let command = PasswordCommand::new(command.into(), PasswordCommand::DEFAULT_TIMEOUT);
    let connector = Connector::new(settings, Some(command))?;
    for count in 1..=2 {
        let client = connector.connect("test").await?;
        assert_eq!(text(&client, "select 'ok'").await?, "ok");
        assert_eq!(std::fs::read_to_string(&runs)?.lines().count(), count);
    }
    Ok(())
}

#[tokio::test]
async fn a_password_command_that_fails_is_the_error() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    let command = PasswordCommand::new(
        "echo hunter2; echo hunter2 >&2; exit 4".into(),
        PasswordCommand::DEFAULT_TIMEOUT,
    );
    let connector = Connector::new(server.settings(&server.string(""))?, Some(command))?;
    let error = connector
        .connect("test")
        .await
        .expect_err("the command fails");
    assert_eq!(
        error.to_string(),
        "the password command failed: exit status: 4"
    );
    assert!(!format!("{error:?} {connector:?}").contains("hunter2"));
    Ok(())
}
