//! The version of the schema: created, upgraded forward, refused when it is newer.

use std::time::Duration;

use crossfade_plan::Ident;
use crossfade_postgres::{
    Contention, Database, Queries, Transaction, TransactionSettings, failpoint,
};
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::store::Store;

/// Every version so far: script 1 makes the first one, each later script upgrades by one.
const SCRIPTS: [&str; 1] = [include_str!("../schema/0001.sql")];

/// The version that this program reads and writes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a handful"
)]
pub const SCHEMA_VERSION: i32 = SCRIPTS.len() as i32;

/// From the catalogs and not by `to_regclass`, which fails without USAGE on the schema.
const FIND: &str = "\
    select exists (select from pg_catalog.pg_class c \
                    where c.relnamespace = n.oid and c.relname = 'meta' and c.relkind = 'r') \
               as has_meta, \
           exists (select from pg_catalog.pg_class c where c.relnamespace = n.oid) as is_used \
      from pg_catalog.pg_namespace n where n.nspname = $1::text::pg_catalog.name";

/// Transaction-local, so that it is safe behind a pooler. The key is the schema's name: two
/// creators at once wait for each other, and the second finds the first one's work.
const LOCK: &str = "select pg_catalog.pg_advisory_xact_lock(\
    pg_catalog.hashtextextended('crossfade state ' || $1::text, 0))";

const VERSION: &str = "select version from {state}.meta";

const SET_VERSION: &str = "\
    insert into {state}.meta (version) values ($1) \
    on conflict (only_row) do update \
       set version = excluded.version, upgraded_at = pg_catalog.clock_timestamp()";

#[derive(Clone, Copy)]
enum Found {
    Nothing,
    Empty,
    Foreign,
    Version(i32),
}

impl Store {
    /// Opens the state in `schema`, which is created or upgraded where needed. The role needs
    /// CREATE on the database, or on a schema that exists already and is empty.
    pub async fn open(database: Database, schema: Ident) -> Result<Self, StateError> {
        let store = Self::new(database, schema);
        let session = store.session("state/open").await?;
        let found = store.found(&session).await?;
        drop(session);
        if store.version(found)? != Some(SCHEMA_VERSION) {
            store.upgrade().await?;
        }
        Ok(store)
    }

    /// Opens the state for reading: creates and upgrades nothing, `None` where there is none.
    pub async fn open_existing(
        database: Database,
        schema: Ident,
    ) -> Result<Option<Self>, StateError> {
        let store = Self::new(database, schema);
        let session = store.session("state/open").await?;
        let found = match store.found(&session).await? {
            // Somebody else's schema holds no state of ours: for a reader, there is none.
            Found::Foreign => Found::Nothing,
            found => found,
        };
        match store.version(found)? {
            None => Ok(None),
            Some(SCHEMA_VERSION) => Ok(Some(store)),
            Some(found) => Err(StateError::SchemaOlder {
                schema: store.schema().to_string(),
                found,
                known: SCHEMA_VERSION,
            }),
        }
    }

    /// Lets the owner of a migrated table write what its trigger functions have to report: they
    /// run as that owner, who may know nothing of this schema.
    pub async fn grant_to_table_owner(
        &self,
        transaction: &Transaction,
        owner: &Ident,
    ) -> Result<(), StateError> {
        let sql = self.sql(
            "grant usage on schema {state} to {owner}; \
             grant select, insert, update, delete on table {state}.row_error to {owner}; \
             grant insert on table {state}.reverse_loss to {owner}",
        );
        Ok(transaction
            .batch(&sql.replace("{owner}", &owner.to_string()))
            .await?)
    }

    async fn upgrade(&self) -> Result<(), StateError> {
        let settings = TransactionSettings {
            lock_timeout: Duration::from_secs(30),
            contention: Contention::Runners,
            ..Default::default()
        };
        let transaction = self.database().begin("state/upgrade", &settings).await?;
        transaction
            .execute(LOCK, &[(&self.schema().as_str(), Type::TEXT)])
            .await?;
        // Read again: another process may have done it while we waited.
        let found = self.found(&transaction).await?;
        if matches!(found, Found::Nothing) {
            transaction
                .batch(&self.sql("create schema {state}"))
                .await?;
            transaction
                .batch(&self.sql("comment on schema {state} is 'State of Crossfade migrations.'"))
                .await?;
        }
        let version = self.version(found)?.unwrap_or(0);
        for (script, number) in SCRIPTS
            .iter()
            .zip(1..)
            .skip_while(|(_, number)| *number <= version)
        {
            transaction.batch(&self.sql(script)).await?;
            transaction
                .execute(&self.sql(SET_VERSION), &[(&number, Type::INT4)])
                .await?;
            failpoint::hit("state/schema-script");
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn found(&self, on: &impl Queries) -> Result<Found, StateError> {
        let row = on
            .query_opt(FIND, &[(&self.schema().as_str(), Type::TEXT)])
            .await?;
        let Some(row) = row else {
            return Ok(Found::Nothing);
        };
        if !row.try_get::<_, bool>("has_meta")? {
            let is_used: bool = row.try_get("is_used")?;
            return Ok(if is_used {
                Found::Foreign
            } else {
                Found::Empty
            });
        }
        match on.query_opt(&self.sql(VERSION), &[]).await? {
            Some(row) => Ok(Found::Version(row.try_get("version")?)),
            None => Ok(Found::Foreign),
        }
    }

    /// The version, at most our own; `None` where the schema is still to be made.
    fn version(&self, found: Found) -> Result<Option<i32>, StateError> {
        match found {
            Found::Nothing | Found::Empty => Ok(None),
            Found::Foreign => Err(StateError::SchemaTaken {
                schema: self.schema().to_string(),
            }),
            Found::Version(found) if found > SCHEMA_VERSION => Err(StateError::SchemaNewer {
                schema: self.schema().to_string(),
                found,
                known: SCHEMA_VERSION,
            }),
            Found::Version(found) => Ok(Some(found)),
        }
    }
}
