//! What an attempt that fails is called, and what is tried next.

use crossfade_postgres::{ConnectError, Connector};
use crossfade_sandbox::cluster::{ClusterOptions, StopMode};
use tokio::net::TcpListener;

use crate::server::{Result, Server, settings, text};

#[tokio::test]
async fn failures_are_told_apart() -> Result {
    let options = ClusterOptions::default()
        .max_connections(3)
        .setting("superuser_reserved_connections", "0")
        .setting("max_wal_senders", "0");
    let mut server = Server::start(options).await?;

    let error = server.refusal("dbname=absent").await?;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.sqlstate().map(tokio_postgres::error::SqlState::code),
        Some("3D000")
    );
    assert!(!error.is_retryable());

    let error = server.refusal("password=wrong").await?;
    assert!(
        matches!(error, ConnectError::Authentication { .. }),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("wrong"));

    let mut taken = Vec::new();
    let error = loop {
        match server.connector("")?.connect("test").await {
            Ok(client) => taken.push(client),
            Err(error) => break error,
        }
        assert!(taken.len() <= 3, "more connections than the server has");
    };
    assert!(
        matches!(error, ConnectError::TooManyConnections { .. }),
        "{error:?}"
    );
    assert!(error.is_retryable());
    drop(taken);

    server.cluster.stop(StopMode::Fast).await?;
    let error = server.refusal("").await?;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.is_retryable());
    assert_eq!(
        error.to_string(),
        format!("cannot connect to 127.0.0.1:{}", server.cluster.port())
    );
    Ok(())
}

#[tokio::test]
async fn a_host_without_address_is_named() -> Result {
    let home = tempfile::tempdir()?;
    let settings = settings("host=absent.invalid user=x", home.path())?;
    let error = Connector::new(settings, None)?
        .connect("test")
        .await
        .expect_err("the name has no address");
    assert!(
        matches!(error, ConnectError::Unresolved { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("absent.invalid:5432"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_the_next_tried() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    // Takes the connection and says nothing: only a limit on the whole attempt ends it.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let silent = silent.local_addr()?.port();
    let error = server
        .refusal(&format!("port={silent} connect_timeout=1"))
        .await?;
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");

    let port = server.cluster.port();
    let both = format!("host=127.0.0.1,127.0.0.1 port={silent},{port} connect_timeout=1");
    let client = server.connect(&both).await?;
    assert_eq!(text(&client, "select 'ok'").await?, "ok");
    Ok(())
}

#[tokio::test]
async fn a_refused_password_is_not_shown_to_the_next_server() -> Result {
    let first = Server::start(ClusterOptions::default()).await?;
    let second = Server::start(ClusterOptions::default()).await?;
    let both = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} password={}",
        first.cluster.port(),
        second.cluster.port(),
        second.cluster.password(),
    );
    let error = first.refusal(&both).await?;
    assert!(
        matches!(error, ConnectError::Authentication { .. }),
        "{error:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_read_only_server_is_passed_over() -> Result {
    let options = ClusterOptions::default().setting("default_transaction_read_only", "on");
    let server = Server::start(options).await?;
    server.connect("").await?;
    for attributes in ["read-write", "primary"] {
        let error = server
            .refusal(&format!("target_session_attrs={attributes}"))
            .await?;
        assert!(
            matches!(error, ConnectError::Unreachable { .. }),
            "{error:?}"
        );
    }
    Ok(())
}
