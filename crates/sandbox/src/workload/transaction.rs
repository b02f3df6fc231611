//! A transaction of the workload: statements on both sides, measured.

use std::collections::HashMap;
use std::io::Cursor;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use rand::rngs::StdRng;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row as ResultRow, Statement};

use super::key::Key;
use super::key_space::KeySpace;
use super::side::{RowLock, Side, Sides, Sql};

/// Why a transaction has ended other than it was meant to.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server refused a statement, or the connection broke.
    Statement {
        statement: String,
        source: tokio_postgres::Error,
    },
    /// Both sides should be the same, and are not.
    Diverged {
        statement: String,
        reason: &'static str,
    },
}

/// Statements that a connection has prepared, by their text.
pub(crate) type Prepared = HashMap<String, Statement>;

/// An open transaction, and what its choices come from.
pub(crate) struct Transaction<'a> {
    pub(crate) client: &'a Client,
    pub(crate) prepared: &'a mut Prepared,
    pub(crate) sides: &'a Sides,
    pub(crate) keys: &'a KeySpace,
    pub(crate) rng: &'a mut StdRng,
    /// How long to hold a long one open.
    pub(crate) hold: Duration,
    pub(crate) rows_after_truncate: u32,
    pub(crate) latencies: Vec<Duration>,
    /// Rows touched so far.
    pub(crate) rows: u64,
    /// Keys that exist when it commits.
    pub(crate) made: Vec<Key>,
}

impl Transaction<'_> {
    /// A statement without parameters and result, in a simple query.
    pub(crate) async fn batch(&mut self, text: &str) -> Result<(), Fault> {
        let begun = Instant::now();
        let outcome = self.client.batch_execute(text).await;
        self.measured(begun, text, outcome)
    }

    /// The same change on both sides: on the control exactly what the application's table says
    /// it has done. Returns the keys that it says.
    pub(crate) async fn change(
        &mut self,
        statement: impl Fn(&Side) -> Sql,
    ) -> Result<Vec<Key>, Fault> {
        let sides = self.sides;
        let keys = self.keys_of(&statement(&sides.app)).await?;
        if keys.is_empty() {
            return Ok(keys);
        }
        let control = statement(&sides.control);
        if self.keys_of(&control).await?.len() != keys.len() {
            return Err(diverged(control.text));
        }
        self.rows += keys.len() as u64;
        Ok(keys)
    }

    /// The same for statements that return no keys, only a count.
    pub(crate) async fn change_counted(
        &mut self,
        statement: impl Fn(&Side) -> Sql,
    ) -> Result<u64, Fault> {
        let sides = self.sides;
        let count = self.execute(&statement(&sides.app)).await?;
        let control = statement(&sides.control);
        if self.execute(&control).await? != count {
            return Err(diverged(control.text));
        }
        self.rows += count;
        Ok(count)
    }

    /// COPY of the same lines into both sides.
    pub(crate) async fn copy(
        &mut self,
        statement: impl Fn(&Side) -> String,
        lines: &str,
    ) -> Result<(), Fault> {
        let sides = self.sides;
        let mut counts = Vec::new();
        for side in [&sides.app, &sides.control] {
            let text = statement(side);
            let begun = Instant::now();
            let outcome = copy_in(self.client, self.prepared, &text, lines).await;
            counts.push(self.measured(begun, &text, outcome)?);
        }
        self.rows += counts[0];
        Ok(())
    }

    /// Locks those of the keys that exist in the application's table, one after another.
    pub(crate) async fn lock_each(&mut self, keys: &[Key]) -> Result<Vec<Key>, Fault> {
        let mut locked = Vec::new();
        for key in keys {
            let sql = self
                .sides
                .app
                .lock(std::slice::from_ref(key), RowLock::Wait);
            locked.extend(self.keys_of(&sql).await?);
        }
        Ok(locked)
    }

    /// Rows of keys.
    pub(crate) async fn keys_of(&mut self, sql: &Sql) -> Result<Vec<Key>, Fault> {
        let rows = self.query(sql).await?;
        let columns = self.sides.app.shape.keys.len();
        let key = |row: &ResultRow| (0..columns).map(|column| row.try_get(column)).collect();
        let keys: Result<Vec<Vec<String>>, _> = rows.iter().map(key).collect();
        let keys = keys.map_err(|source| failed(&sql.text, source))?;
        Ok(keys.into_iter().map(Key::new).collect())
    }

    pub(crate) async fn query(&mut self, sql: &Sql) -> Result<Vec<ResultRow>, Fault> {
        let begun = Instant::now();
        let outcome = async {
            let statement = prepare(self.client, self.prepared, sql).await?;
            self.client.query(&statement, &parameters(sql)).await
        };
        let outcome = outcome.await;
        self.measured(begun, &sql.text, outcome)
    }

    async fn execute(&mut self, sql: &Sql) -> Result<u64, Fault> {
        let begun = Instant::now();
        let outcome = async {
            let statement = prepare(self.client, self.prepared, sql).await?;
            self.client.execute(&statement, &parameters(sql)).await
        };
        let outcome = outcome.await;
        self.measured(begun, &sql.text, outcome)
    }

    /// Failed ones are measured too: they may have waited longest.
    fn measured<T>(
        &mut self,
        begun: Instant,
        text: &str,
        outcome: Result<T, tokio_postgres::Error>,
    ) -> Result<T, Fault> {
        self.latencies.push(begun.elapsed());
        outcome.map_err(|source| failed(text, source))
    }
}

fn failed(text: &str, source: tokio_postgres::Error) -> Fault {
    Fault::Statement {
        statement: text.to_owned(),
        source,
    }
}

fn diverged(statement: String) -> Fault {
    Fault::Diverged {
        statement,
        reason: "the control table had another number of rows to change",
    }
}

fn parameters(sql: &Sql) -> Vec<&(dyn ToSql + Sync)> {
    let values = sql.parameters.iter();
    values.map(|value| value as &(dyn ToSql + Sync)).collect()
}

async fn prepare(
    client: &Client,
    prepared: &mut Prepared,
    sql: &Sql,
) -> Result<Statement, tokio_postgres::Error> {
    if let Some(statement) = prepared.get(&sql.text) {
        return Ok(statement.clone());
    }
    let types = vec![Type::TEXT; sql.parameters.len()];
    let statement = client.prepare_typed(&sql.text, &types).await?;
    prepared.insert(sql.text.clone(), statement.clone());
    Ok(statement)
}

async fn copy_in(
    client: &Client,
    prepared: &mut Prepared,
    text: &str,
    lines: &str,
) -> Result<u64, tokio_postgres::Error> {
    let text = text.to_owned();
    let sql = Sql {
        text,
        ..Sql::default()
    };
    let statement = prepare(client, prepared, &sql).await?;
    let mut sink = pin!(client.copy_in(&statement).await?);
    sink.send(Cursor::new(lines.as_bytes().to_vec())).await?;
    sink.finish().await
}
