//! A test database comes with its roles, and goes with them.

use crossfade_sandbox::cluster::{Cluster, ClusterOptions, StopMode};
use crossfade_testkit::{Result, Role, Session, TestDatabase, TestServer};

/// How many databases and roles have a name that starts so.
async fn left(name: &str) -> Result<i64> {
    let url = TestServer::shared().await?.maintenance_url();
    let observer = Session::connect(&url, "observer").await?;
    let sql = "select (select count(*) from pg_catalog.pg_database where starts_with(datname, $1))
                    + (select count(*) from pg_catalog.pg_roles where starts_with(rolname, $1))";
    Ok(observer
        .client()
        .query_one(sql, &[&name])
        .await?
        .try_get(0)?)
}

fn sqlstate<T>(outcome: std::result::Result<T, tokio_postgres::Error>) -> Option<String> {
    let error = outcome.err()?;
    error.code().map(|code| code.code().to_owned())
}

#[tokio::test]
async fn it_goes_with_its_roles_while_sessions_are_open() -> Result<()> {
    let database = TestDatabase::create().await?;
    let name = database.name().to_owned();
    let app = database.session("app", Role::App).await?;
    app.run("begin").await?;
    assert_eq!(left(&name).await?, 4);
    drop(database);
    assert_eq!(left(&name).await?, 0);
    assert!(app.run("commit").await.is_err());
    Ok(())
}

#[tokio::test]
async fn it_goes_after_a_panic() -> Result<()> {
    let database = TestDatabase::create().await?;
    let name = database.name().to_owned();
    let outcome = tokio::spawn(async move {
        let _kept_until_the_panic = database;
        panic!("on purpose");
    });
    assert!(outcome.await.is_err_and(|error| error.is_panic()));
    assert_eq!(left(&name).await?, 0);
    Ok(())
}

#[tokio::test]
async fn it_says_when_it_cannot_go() -> Result<()> {
    let database = TestDatabase::create().await?;
    let name = database.name().to_owned();
    let url = database.url(Role::Superuser);
    let holder = database.session("holder", Role::Superuser).await?;
    holder
        .run(&format!(
            "begin; create table public.t (); prepare transaction '{name}'"
        ))
        .await?;
    let outcome = std::thread::spawn(move || drop(database)).join();

    // What it could not remove would stay on the shared server.
    let cleaner = Session::connect(&url, "cleaner").await?;
    cleaner.run(&format!("rollback prepared '{name}'")).await?;
    let url = TestServer::shared().await?.maintenance_url();
    let maintenance = Session::connect(&url, "maintenance").await?;
    maintenance
        .run(&format!("drop database {name} with (force)"))
        .await?;
    for role in ["owner", "migrator", "app"] {
        maintenance.run(&format!("drop role {name}_{role}")).await?;
    }

    let message = outcome
        .err()
        .and_then(|panic| panic.downcast::<String>().ok());
    let message = message.ok_or("it did not panic")?;
    assert!(message.contains(&name), "{message}");
    Ok(())
}

#[tokio::test]
async fn its_roles_have_least_privilege() -> Result<()> {
    let database = TestDatabase::create().await?;
    let migrator = database.session("migrator", Role::Migrator).await?;
    let app = database.session("app", Role::App).await?;

    let denied = Some("42501".to_owned());
    let create = "create table public.mine (id int)";
    assert_eq!(sqlstate(app.run(create).await), denied);
    assert_eq!(sqlstate(migrator.run("create schema mine").await), denied);
    migrator
        .run(&format!(
            "set role {}; {create}; reset role",
            database.owner()
        ))
        .await?;
    assert_eq!(sqlstate(app.run("table public.mine").await), denied);
    migrator
        .run(&format!(
            "grant select on public.mine to {}",
            database.app()
        ))
        .await?;
    app.run("table public.mine").await?;

    let sql = "select count(*) from pg_catalog.pg_roles where starts_with(rolname, pg_catalog.current_database())
                  and (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)";
    assert_eq!(migrator.query_one_value::<i64>(sql).await?, 0);
    Ok(())
}

#[tokio::test]
async fn own_cluster_takes_its_databases_along() -> Result<()> {
    let mut cluster = Cluster::start(&ClusterOptions::default()).await?;
    let database = TestDatabase::create_in(&cluster).await?;
    assert_eq!(
        left(database.name()).await?,
        0,
        "it is not on the shared one"
    );
    cluster.restart(StopMode::Immediate).await?;
    let session = database.session("after", Role::Migrator).await?;
    assert_eq!(
        session
            .query_one_value::<String>("select pg_catalog.current_database()::text")
            .await?,
        database.name()
    );
    // Neither of the two needs the server to be up.
    cluster.stop(StopMode::Immediate).await?;
    Ok(())
}
