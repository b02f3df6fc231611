//! The store: the database and the schema in which the state lives.

use std::time::Duration;

use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::{Contention, Database, Session, Transaction, TransactionSettings};
use postgres_protocol::escape::escape_literal;
use tokio_postgres::Row;

use crate::error::StateError;

/// The state of all migrations of one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    schema: Ident,
}

impl Store {
    pub(crate) fn new(database: Database, schema: Ident) -> Self {
        Self { database, schema }
    }

    /// The database that it is in.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The schema that it is in.
    pub fn schema(&self) -> &Ident {
        &self.schema
    }

    /// A connection for reads, each statement on a snapshot of its own. `tag` names the work.
    pub async fn session(&self, tag: &str) -> Result<Session, StateError> {
        Ok(self.database.session(tag).await?)
    }

    /// The table where trigger functions put the rows that the other side refuses. They write
    /// `migration`, `direction`, `key`, `sqlstate`, `column_name` and `constraint_name`,
    /// `on conflict (migration, direction, key_hash) do update`.
    pub fn row_error_table(&self) -> QualifiedName {
        self.table("row_error")
    }

    /// The table where trigger functions put the writes that the old side cannot take. They write
    /// `migration`, `key` and `column_name`.
    pub fn reverse_loss_table(&self) -> QualifiedName {
        self.table("reverse_loss")
    }

    /// A short transaction of the store's own.
    pub(crate) async fn begin(&self, tag: &str) -> Result<Transaction, StateError> {
        let settings = TransactionSettings {
            lock_timeout: Duration::from_secs(5),
            contention: Contention::Runners,
            ..Default::default()
        };
        Ok(self.database.begin(tag, &settings).await?)
    }

    /// Puts the schema's quoted name into a statement of ours, in one pass: nothing in the name
    /// is replaced again.
    pub(crate) fn sql(&self, template: &str) -> String {
        let quoted = self.schema.to_string();
        let journal = escape_literal(&format!("{quoted}.journal_id"));
        let parts: Vec<String> = template
            .split("{state}")
            .map(|part| part.replace("{journal}", &journal))
            .collect();
        parts.join(&quoted)
    }

    fn table(&self, name: &str) -> QualifiedName {
        let Ok(name) = Ident::new(name) else {
            unreachable!("the names of our tables are valid")
        };
        QualifiedName::new(self.schema.clone(), name)
    }
}

/// The row of a statement that always returns one: an aggregate without grouping, or an insert
/// of values.
pub(crate) fn only(row: Option<Row>) -> Row {
    match row {
        Some(row) => row,
        None => unreachable!("an aggregate or an insert that succeeds returns its row"),
    }
}
