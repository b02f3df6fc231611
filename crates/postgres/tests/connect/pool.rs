//! The pool: its bound, its waiting, its names, and connections that died in it.

use std::time::Duration;

use crossfade_postgres::{ConnectError, Pool};
use crossfade_sandbox::cluster::{ClusterOptions, StopMode};

use crate::server::{Result, Server, text};

const OWN_NAME: &str = "select pg_catalog.current_setting('application_name')";
const OWN_PID: &str = "select pg_catalog.pg_backend_pid()::pg_catalog.text";

#[tokio::test]
async fn connections_are_bounded_named_and_used_again() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    let pool = Pool::new(
        server.connector("")?,
        "orders/backfill",
        1,
        Duration::from_millis(50),
    );
    let client = pool.get().await?;
    assert_eq!(text(&client, OWN_NAME).await?, "crossfade/orders/backfill");
    let error = pool.get().await.expect_err("the only connection is in use");
    assert!(
        matches!(error, ConnectError::PoolExhausted { .. }),
        "{error:?}"
    );
    assert!(error.is_retryable());

    let pid = text(&client, OWN_PID).await?;
    drop(client);
    let client = pool.get().await?;
    assert_eq!(text(&client, OWN_PID).await?, pid);

    // Taken out for good, its place is free for another.
    let taken = crossfade_postgres::PooledClient::take(client);
    let other = pool.get().await?;
    assert_ne!(text(&other, OWN_PID).await?, text(&taken, OWN_PID).await?);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_died_is_replaced() -> Result {
    let mut server = Server::start(ClusterOptions::default()).await?;
    let pool = Pool::new(
        server.connector("")?,
        "orders/backfill",
        1,
        Duration::from_mins(1),
    );
    let client = pool.get().await?;
    server.cluster.restart(StopMode::Fast).await?;
    while !client.is_closed() {
        tokio::task::yield_now().await;
    }
    drop(client);
    let client = pool.get().await?;
    assert_eq!(text(&client, "select 'ok'").await?, "ok");
    Ok(())
}
