//! What the pooler answers itself, and what is passed on: refusals, settings, cancel requests.

use std::time::Duration;

use crossfade_postgres::{
    ConnectError, ConnectionSettings, ConnectionString, Connector, Database, Environment, Pool,
    Queries, TransactionSettings,
};
use crossfade_testkit::Result;
use secrecy::SecretString;

use crate::fixture::{POOL, Pooled};

fn connector(url: String) -> Result<Connector> {
    let string = ConnectionString {
        text: SecretString::from(url),
        origin: "the test",
    };
    let settings = ConnectionSettings::resolve(Some(&string), &Environment::from_process())?;
    Ok(Connector::new(settings, None)?)
}

async fn refusal(url: String) -> Result<ConnectError> {
    match connector(url)?.connect("test/refused").await {
        Ok(_) => Err("connected".into()),
        Err(error) => Ok(error),
    }
}

/// A pooler gives all of them the same SQLSTATE, which is also that of a server that is away.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_not_taken_for_an_absent_server() -> Result<()> {
    let pooled = Pooled::without_direct_way(10, "batch_size: 500", POOL).await?;
    let (database, port) = (&pooled.leads.scene.database, pooled.pooler.port());
    let (user, password) = (database.migrator(), database.server().password());
    let name = database.name();
    let at = |user: &str, password: &str, database: &str, more: &str| {
        format!(
            "host=127.0.0.1 port={port} user={user} password={password} dbname={database} {more}"
        )
    };
    for settings in [
        at(user, "wrong", name, ""),
        at("stranger", password, name, ""),
    ] {
        let error = refusal(settings).await?;
        assert!(
            matches!(error, ConnectError::Authentication { .. }),
            "{error:?}"
        );
    }
    for settings in [
        at(user, password, name, "options='-c lock_timeout=1'"),
        at(user, password, "absent", ""),
    ] {
        let error = refusal(settings).await?;
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        assert!(!error.is_retryable());
    }
    refusal(at(user, password, name, ""))
        .await
        .expect_err("connected");
    Ok(())
}

/// Dropping a transaction cancels its statement through the pooler, which has keys of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_statement_is_cancelled_through_the_pooler() -> Result<()> {
    let pooled = Pooled::without_direct_way(10, "batch_size: 500", POOL).await?;
    let admin = &pooled.leads.scene.admin;
    let connector = connector(pooled.url())?;
    let pool = Pool::new(connector.clone(), "test/cancel", 2, Duration::from_secs(30));
    let database = Database::new(connector.clone(), connector, pool);
    let settings = TransactionSettings {
        statement_timeout: None,
        ..TransactionSettings::default()
    };
    let transaction = database.begin("test/cancel", &settings).await?;
    let role = pooled.leads.scene.database.migrator();
    let sleeping = format!(
        "select count(*) = 1 from pg_stat_activity \
         where usename = '{role}' and state = 'active' and query like '%pg_sleep%'"
    );
    tokio::select! {
        slept = transaction.batch("select pg_catalog.pg_sleep(3600)") => slept?,
        seen = admin.wait_until(&sleeping) => seen?,
    }
    drop(transaction);
    admin
        .wait_until(&sleeping.replace("= 1 from", "= 0 from"))
        .await?;
    // The server connection that it ran on is not somebody else's now.
    pooled.expect_nothing_on_servers().await
}
