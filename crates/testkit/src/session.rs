//! A named connection, for tests that interleave several of them.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, Config, NoTls};

use crate::Result;

/// How often a state is looked at, and how long before a test gives up on it.
const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

const BLOCKERS: &str = "select pg_catalog.pg_blocking_pids($1)";

/// A connection with a name. Statements are simple queries, as an application without
/// a driver of its own would send them; several may be separated by semicolons.
#[derive(Debug)]
pub struct Session {
    name: String,
    client: Arc<Client>,
    pid: i32,
}

impl Session {
    /// Connects; `name` becomes the `application_name`.
    pub async fn connect(url: &str, name: &str) -> Result<Self> {
        let mut config: Config = url.parse()?;
        config.application_name(name);
        let (client, connection) = config.connect(NoTls).await?;
        // Ends with the client. What breaks it shows at the next statement as well.
        tokio::spawn(connection);
        let sql = "select pg_catalog.pg_backend_pid()";
        let pid = client.query_one(sql, &[]).await?.try_get(0)?;
        Ok(Self {
            name: name.to_owned(),
            client: Arc::new(client),
            pid,
        })
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of its backend.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// For statements with parameters, COPY, and whatever else.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs statements to their end. They must not be expected to wait: see
    /// [`Self::start`].
    pub async fn run(&self, sql: &str) -> std::result::Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// The first column of the only row.
    pub async fn query_one_value<T: FromSqlOwned>(
        &self,
        sql: &str,
    ) -> std::result::Result<T, tokio_postgres::Error> {
        self.client.query_one(sql, &[]).await?.try_get(0)
    }

    /// Starts statements that are expected to wait, and returns at once. What the
    /// session is told next comes after them. Await the handle for their outcome.
    pub fn start(&self, sql: &str) -> JoinHandle<std::result::Result<(), tokio_postgres::Error>> {
        let client = Arc::clone(&self.client);
        let sql = sql.to_owned();
        tokio::spawn(async move { client.batch_execute(&sql).await })
    }

    /// Waits until the backend `pid` waits for a lock, and returns the backends that
    /// it waits for. It must not be this session's own.
    pub async fn wait_until_blocked(&self, pid: i32) -> Result<Vec<i32>> {
        let begun = Instant::now();
        loop {
            let row = self.client.query_one(BLOCKERS, &[&pid]).await?;
            let blockers: Vec<i32> = row.try_get(0)?;
            if !blockers.is_empty() {
                return Ok(blockers);
            }
            self.pause(begun, &format!("backend {pid} waits for a lock"))
                .await?;
        }
    }

    /// Waits until a query returns `true` as the only column of its only row.
    pub async fn wait_until(&self, sql: &str) -> Result<()> {
        let begun = Instant::now();
        while !self.query_one_value::<bool>(sql).await? {
            self.pause(begun, sql).await?;
        }
        Ok(())
    }

    async fn pause(&self, begun: Instant, expected: &str) -> Result<()> {
        if begun.elapsed() > PATIENCE {
            let name = &self.name;
            let seconds = PATIENCE.as_secs();
            return Err(format!("{name} has not seen in {seconds} s: {expected}").into());
        }
        tokio::time::sleep(POLL).await;
        Ok(())
    }
}

impl Borrow<Client> for Session {
    fn borrow(&self) -> &Client {
        &self.client
    }
}
