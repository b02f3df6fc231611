//! COMMIT: nothing is taken for committed that the server rolled back. And what a statement on its own
//! needs of a transaction.

use std::time::Duration;

use crossfade_postgres::{CommitError, Database, Pool, Queries, TransactionSettings};
use crossfade_sandbox::cluster::ClusterOptions;

use crate::server::{Result, Server, text};

/// The server answers the COMMIT of an aborted transaction with ROLLBACK, and the driver calls
/// that a success.
#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_is_not_committed() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    let (database, pool) = one_connection(&server)?;
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

/// A pool of one connection.
fn one_connection(server: &Server) -> Result<(Database, Pool)> {
    let connector = server.connector("")?;
    let pool = Pool::new(connector.clone(), "orders", 1, Duration::from_secs(30));
    let database = Database::new(connector.clone(), connector, pool.clone());
    Ok((database, pool))
}

/// The same, to a server whose transactions only read by default, and the table `made`.
async fn reading(server: &Server) -> Result<(Database, Pool)> {
    let (database, pool) = one_connection(server)?;
    let settings = TransactionSettings::default();
    let transaction = database.begin("test", &settings).await?;
    transaction.batch("create table public.made ()").await?;
    transaction.commit().await?;
    Ok((database, pool))
}

const INSERT: &str = "insert into public.made default values";
const MAKE: &str = "insert into public.made select from pg_catalog.generate_series(1, 1) as g (n)";

#[tokio::test]
async fn a_statement_on_its_own_writes_where_transactions_only_read() -> Result {
    let options = ClusterOptions::default().setting("default_transaction_read_only", "on");
    let server = Server::start(options).await?;
    let (database, pool) = reading(&server).await?;
    let session = database.session("test").await?;
    assert_eq!(session.execute(INSERT, &[]).await?, 1);
    let returning = format!("{INSERT} returning true");
    assert_eq!(session.query(&returning, &[]).await?.len(), 1);
    let refused = session
        .execute(&format!("{MAKE} where 1 / (n - 1) > 0"), &[])
        .await;
    assert!(refused.is_err());
    assert_eq!(session.execute(INSERT, &[]).await?, 1);
    drop(session);
    let client = pool.get().await?;
    let made = "select pg_catalog.count(*)::pg_catalog.text from public.made";
    assert_eq!(text(&client, made).await?, "3");
    // Nothing of it stays in the session, where a pooler may give it to somebody else.
    let setting = "select pg_catalog.current_setting('transaction_read_only')";
    assert_eq!(text(&client, setting).await?, "on");
    Ok(())
}

/// Whoever is given the connection next must not be in the transaction that was left open.
#[tokio::test]
async fn one_that_is_given_up_leaves_no_transaction_open() -> Result {
    let options = ClusterOptions::default().setting("default_transaction_read_only", "on");
    let server = Server::start(options).await?;
    let (database, pool) = reading(&server).await?;
    // Not a lock on the table: that is asked for before the statement is refused.
    let holder = server.connect("").await?;
    holder
        .batch_execute("select pg_catalog.pg_advisory_lock(1)")
        .await?;
    let session = database.session("test").await?;
    let insert = format!("{MAKE} where pg_catalog.pg_advisory_lock(n) is null");
    let insert = tokio::spawn(async move { session.execute(&insert, &[]).await });
    let waits =
        "select exists (select from pg_catalog.pg_locks where not granted)::pg_catalog.text";
    while text(&holder, waits).await? != "true" {
        tokio::task::yield_now().await;
    }
    insert.abort();
    assert!(insert.await.is_err_and(|error| error.is_cancelled()));
    holder
        .batch_execute("select pg_catalog.pg_advisory_unlock(1)")
        .await?;
    let client = pool.get().await?;
    let setting = "select pg_catalog.current_setting('transaction_read_only')";
    assert_eq!(text(&client, setting).await?, "on");
    Ok(())
}
