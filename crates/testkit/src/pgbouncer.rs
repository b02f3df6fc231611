//! A private PgBouncer in front of the server, for what a pooler does to sessions.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crossfade_sandbox::cluster::{Directory, free_port};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::{Result, Role, TestDatabase};

/// Names the program where it is neither on the search path nor where Debian puts it.
pub const PROGRAM_VARIABLE: &str = "CROSSFADE_PGBOUNCER";

/// Where Debian puts it: not on everybody's search path.
const DEBIAN: &str = "/usr/sbin";

const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// How often another port is tried when somebody took ours first.
const PORT_TRIES: usize = 5;

/// What PgBouncer sets on each server connection by itself, as its client has them.
const ITS_OWN: &str = "'application_name', 'client_encoding', 'DateStyle', 'TimeZone', \
     'IntervalStyle', 'standard_conforming_strings'";

/// When a server connection goes back to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// With its client.
    Session,
    /// With each transaction.
    Transaction,
}

/// A PgBouncer on 127.0.0.1 that knows the roles of one database. It resets no server connection,
/// so that whatever is left on one stays to be seen. It ends when it is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    // Declared before the directory: it must be down before its files are removed.
    _process: Running,
    port: u16,
    pool_size: u16,
    _directory: Directory,
}

impl PgBouncer {
    /// Starts one with so many server connections for each role, and returns when it listens.
    pub async fn start(database: &TestDatabase, mode: PoolMode, pool_size: u16) -> Result<Self> {
        let program = program()?;
        let directory = Directory::create()?;
        directory.write_private(&directory.path().join("users.txt"), &users(database))?;
        let mut tries = 0;
        loop {
            let port = free_port()?;
            let name = format!("pgbouncer-{port}");
            let settings = settings(database, &directory, &name, port, mode, pool_size);
            let file = directory.path().join(format!("{name}.ini"));
            directory.write_private(&file, &settings)?;
            let log = directory.path().join(format!("{name}.log"));
            let process = directory
                .command(&program)
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(&log)?)
                .spawn()?;
            let mut process = Running(process);
            if process.listens_on(port).await? {
                return Ok(Self {
                    _process: process,
                    port,
                    pool_size,
                    _directory: directory,
                });
            }
            tries += 1;
            if tries == PORT_TRIES {
                let log = std::fs::read_to_string(log)?;
                return Err(format!("PgBouncer did not start:\n{log}").into());
            }
        }
    }

    /// The URL of the database through it.
    pub fn url(&self, database: &TestDatabase, role: Role) -> String {
        let server = database.server().at("127.0.0.1", self.port);
        server.url(database.name(), database.user(role))
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is left on the server connections of a role, of which there are as many as the pool
    /// holds: prepared statements, and settings that PgBouncer does not keep by itself. One line
    /// for each; the role must not be at work.
    pub async fn left_on_servers(
        &self,
        database: &TestDatabase,
        role: Role,
    ) -> Result<Vec<String>> {
        let url = self.url(database, role);
        let mut clients = Vec::new();
        let mut pids = std::collections::BTreeSet::new();
        let mut left = Vec::new();
        // Each holds its server connection, so that the next one gets another.
        for _ in 0..self.pool_size {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            tokio::spawn(connection);
            let look = format!(
                "begin; select pg_catalog.pg_backend_pid()::text; \
                 select 'prepared statement ' || name from pg_catalog.pg_prepared_statements \
                 union all select name || ' = ' || setting from pg_catalog.pg_settings \
                 where source = 'session' and name not in ({ITS_OWN}) \
                 union all select 'listens to ' || channel \
                 from pg_catalog.pg_listening_channels() channel"
            );
            let mut rows = rows(&client.simple_query(&look).await?).into_iter();
            pids.extend(rows.next());
            left.extend(rows);
            clients.push(client);
        }
        for client in clients {
            client.batch_execute("rollback").await?;
        }
        if pids.len() != usize::from(self.pool_size) {
            return Err(format!("looked at the server connections {pids:?} only").into());
        }
        Ok(left)
    }

    /// The process ids of the server connections of a role, by PgBouncer's own account.
    pub async fn servers(&self, database: &TestDatabase, role: Role) -> Result<Vec<i32>> {
        let server = database.server().at("127.0.0.1", self.port);
        let console = server.url("pgbouncer", server.superuser());
        let (client, connection) = tokio_postgres::connect(&console, NoTls).await?;
        tokio::spawn(connection);
        let answer = client.simple_query("show servers").await?;
        let user = database.user(role);
        let mut pids = Vec::new();
        for message in &answer {
            if let SimpleQueryMessage::Row(row) = message
                && row.get("user") == Some(user)
                && let Some(pid) = row.get("remote_pid")
            {
                pids.push(pid.parse()?);
            }
        }
        Ok(pids)
    }
}

/// The process; ended when it is dropped.
#[derive(Debug)]
struct Running(Child);

impl Running {
    /// Waits until it takes connections; `false` if it ended instead.
    async fn listens_on(&mut self, port: u16) -> Result<bool> {
        let begun = Instant::now();
        loop {
            if self.0.try_wait()?.is_some() {
                return Ok(false);
            }
            let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            if socket.is_ok() && self.0.try_wait()?.is_none() {
                return Ok(true);
            }
            if begun.elapsed() > PATIENCE {
                return Err("PgBouncer does not listen".into());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(std::path::absolute(named)?);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from(DEBIAN)])
        .map(|directory| directory.join("pgbouncer"))
        .find(|program| program.is_absolute() && program.is_file())
        .ok_or_else(|| {
            format!(
                "there is no PgBouncer; install it, on Debian with `apt-get install pgbouncer`, \
                 or name the program in {PROGRAM_VARIABLE}"
            )
            .into()
        })
}

fn settings(
    database: &TestDatabase,
    directory: &Directory,
    name: &str,
    port: u16,
    mode: PoolMode,
    pool_size: u16,
) -> String {
    let (host, server_port) = database.server().address();
    let superuser = database.server().superuser();
    let users = directory.path().join("users.txt");
    let pid = directory.path().join(format!("{name}.pid"));
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    };
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        writeln!(text, "{key} = {value}").expect("writing to a string never fails");
    };
    line("[databases]\n*", &format!("host={host} port={server_port}"));
    line("[pgbouncer]\nlisten_addr", "127.0.0.1");
    line("listen_port", &port.to_string());
    line("unix_socket_dir", "");
    line("auth_type", "scram-sha-256");
    line("auth_file", &display(&users));
    line("pidfile", &display(&pid));
    line("admin_users", superuser);
    line("pool_mode", mode);
    line("default_pool_size", &pool_size.to_string());
    line("server_reset_query", "");
    text
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// Names and passwords, in quotes that are doubled inside.
fn users(database: &TestDatabase) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let password = quote(database.server().password());
    [Role::Superuser, Role::Migrator, Role::App]
        .map(|role| format!("{} {password}\n", quote(database.user(role))))
        .concat()
}

/// The first column of all rows.
fn rows(messages: &[SimpleQueryMessage]) -> Vec<String> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect()
}
