//! A database for one test, with roles of its own.

use std::thread;

use crossfade_sandbox::cluster::Cluster;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::NoTls;

use crate::{Result, Session, TestServer};

/// Who a test connects as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// For fixtures and observation only.
    Superuser,
    /// A member of the owner of the tables: who migrates.
    Migrator,
    /// The application: has the rights that the fixture grants to it.
    App,
}

/// An empty database that is dropped, with its roles, at the end of the test.
///
/// Three roles come with it, none of them with an attribute or a right beyond those
/// named here: [`owner`](Self::owner) can't log in and may create in the schema
/// `public`; [`migrator`](Self::migrator) is a member of it; [`app`](Self::app) may
/// use `public`.
#[derive(Debug)]
pub struct TestDatabase {
    server: TestServer,
    name: String,
    owner: String,
    migrator: String,
    app: String,
    removal: Removal,
}

#[derive(Clone, Copy, Debug)]
enum Removal {
    /// When the test ends.
    OnDrop,
    /// The cluster is removed as a whole, and may be down when the test ends.
    WithCluster,
}

impl TestDatabase {
    /// A database on the server that the tests share.
    pub async fn create() -> Result<Self> {
        Self::create_on(TestServer::shared().await?, Removal::OnDrop).await
    }

    /// A database on a cluster that the test has to itself, to stop or to crash.
    pub async fn create_in(cluster: &Cluster) -> Result<Self> {
        Self::create_on(TestServer::of(cluster)?, Removal::WithCluster).await
    }

    async fn create_on(server: TestServer, removal: Removal) -> Result<Self> {
        let name = format!("test_{:016x}", rand::random::<u64>());
        // Made first, so that what follows is undone when it fails half way.
        let database = Self {
            owner: format!("{name}_owner"),
            migrator: format!("{name}_migrator"),
            app: format!("{name}_app"),
            name,
            server,
            removal,
        };
        let server = &database.server;
        let [owner, migrator, app] = database.roles().map(escape_identifier);
        let password = escape_literal(server.password());

        let maintenance = Session::connect(&server.maintenance_url(), "testkit").await?;
        let create_roles = format!(
            "create role {owner};
             create role {migrator} login password {password} in role {owner};
             create role {app} login password {password}"
        );
        maintenance.run(&create_roles).await?;
        // template0, since nobody can be connected to it: a template must be idle.
        let create_database = format!(
            "create database {} template template0",
            escape_identifier(&database.name)
        );
        maintenance.run(&create_database).await?;

        // The first line makes version 14 like the later ones.
        let grant = format!(
            "revoke create on schema public from public;
             grant usage, create on schema public to {owner};
             grant usage on schema public to {app}"
        );
        let fixture = database.session("testkit", Role::Superuser).await?;
        fixture.run(&grant).await?;
        Ok(database)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role that owns the tables; it can't log in.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The role that migrates, a member of the owner.
    pub fn migrator(&self) -> &str {
        &self.migrator
    }

    /// The role of the application.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The server that it is on.
    pub fn server(&self) -> &TestServer {
        &self.server
    }

    /// A URL to connect to it.
    pub fn url(&self, role: Role) -> String {
        self.server.url(&self.name, self.user(role))
    }

    /// The name of a role.
    pub(crate) fn user(&self, role: Role) -> &str {
        match role {
            Role::Superuser => self.server.superuser(),
            Role::Migrator => &self.migrator,
            Role::App => &self.app,
        }
    }

    /// Connects to it; `name` is the session's `application_name`.
    pub async fn session(&self, name: &str, role: Role) -> Result<Session> {
        Session::connect(&self.url(role), name).await
    }

    fn roles(&self) -> [&str; 3] {
        [&self.owner, &self.migrator, &self.app]
    }

    /// Other sessions may still be connected: `force` ends them.
    fn removal_statements(&self) -> Vec<String> {
        let mut statements = vec![format!(
            "drop database if exists {} with (force)",
            escape_identifier(&self.name)
        )];
        statements.extend(
            self.roles()
                .map(|role| format!("drop role if exists {}", escape_identifier(role))),
        );
        statements
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if matches!(self.removal, Removal::WithCluster) {
            return;
        }
        let url = self.server.maintenance_url();
        let statements = self.removal_statements();
        // A thread of its own: the runtime of the test can't be blocked on from here,
        // and may be shutting down.
        let outcome = thread::spawn(move || remove(&url, &statements)).join();
        let removed = outcome.unwrap_or_else(|_| Err("the thread panicked".into()));
        // A second panic would abort the process and hide the first one.
        if let Err(error) = removed
            && !thread::panicking()
        {
            panic!("could not drop the test database {}: {error:?}", self.name);
        }
    }
}

fn remove(url: &str, statements: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        for statement in statements {
            client.batch_execute(statement).await?;
        }
        drop(client);
        connection.await??;
        Ok(())
    })
}
