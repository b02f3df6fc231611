//! COMMIT: nothing is taken for committed that the server rolled back.

use std::time::Duration;

use crossfade_postgres::{CommitError, Database, Pool, Queries, TransactionSettings};
use crossfade_sandbox::cluster::ClusterOptions;

use crate::server::{Result, Server, text};

/// The server answers the COMMIT of an aborted transaction with ROLLBACK, and the driver calls
/// that a success.
#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_is_not_committed() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    let connector = server.connector("")?;
    let pool = Pool::new(connector.clone(), "orders", 1, Duration::from_secs(30));
    let database = Database::new(connector.clone(), connector, pool.clone());
    let settings = TransactionSettings::default();
    let transaction = database.begin("test", &settings).await?;
    transaction.batch("create table public.made ()").await?;
    let failed = transaction.batch("select 1 / 0").await;
    assert!(failed.is_err());
    let committed = transaction.commit().await;
    assert!(
        matches!(committed, Err(CommitError::Poisoned)),
        "{committed:?}"
    );
    let made = "select (pg_catalog.to_regclass('public.made') is null)::pg_catalog.text";
    let client = pool.get().await?;
    assert_eq!(text(&client, made).await?, "true");
    Ok(())
}
