//! Reading a table's catalog: one statement for each kind of object.
//!
//! The rows arrive as JSON in the shape of the structs, so that a statement and its struct are all
//! there is to a kind of object.

use crossfade_plan::{Ident, QualifiedName};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{
    Acl, Catalog, CatalogError, Column, Dependent, InboundForeignKey, MentioningFunction,
    Partition, Persistence, RelationKind, ReplicaIdentity, RowSecurity, Table, TableStorage,
};
use crate::session::{Param, Queries};

const VERSION: &str = "select pg_catalog.current_setting('server_version_num')::integer";
const TABLE: &str = include_str!("table.sql");
const COLUMNS: &str = include_str!("columns.sql");
const TYPES: &str = include_str!("types.sql");
const INDEXES: &str = include_str!("indexes.sql");
const CONSTRAINTS: &str = include_str!("constraints.sql");
const SEQUENCES: &str = include_str!("sequences.sql");
const SHARED_SEQUENCES: &str = include_str!("shared_sequences.sql");
const TRIGGERS: &str = include_str!("triggers.sql");
const RULES: &str = include_str!("rules.sql");
const POLICIES: &str = include_str!("policies.sql");
const PUBLICATIONS: &str = include_str!("publications.sql");
const PUBLICATIONS_14: &str = include_str!("publications_14.sql");
const CHILDREN: &str = include_str!("children.sql");
const STATISTICS: &str = include_str!("statistics.sql");
const DEPENDENTS: &str = include_str!("dependents.sql");
const FUNCTIONS: &str = include_str!("functions.sql");
const ROW_CODE: &str = include_str!("row_code.sql");

/// What the first statement reads: everything of which a table has only one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    oid: u32,
    name: QualifiedName,
    kind: RelationKind,
    persistence: Persistence,
    owner: Ident,
    comment: Option<String>,
    acl: Acl,
    row_security: RowSecurity,
    replica_identity: ReplicaIdentity,
    storage: TableStorage,
    of_type: Option<QualifiedName>,
    extension: Option<Ident>,
    partition_key: Option<String>,
    altered_constraint_triggers: Vec<Ident>,
    subscriptions: Vec<Ident>,
    parents: Vec<QualifiedName>,
    partition: Option<Partition>,
    security_labels: Vec<String>,
}

impl Catalog {
    /// Reads the server's version and a table; `None` when there is no such relation.
    ///
    /// See [`Table::load`] for what the caller has to see to.
    pub async fn load(
        queries: &impl Queries,
        name: &QualifiedName,
    ) -> Result<Option<Self>, CatalogError> {
        let server_version_num = version(queries).await?;
        Ok(load(queries, name, server_version_num)
            .await?
            .map(|table| Self {
                server_version_num,
                table,
            }))
    }
}

impl Table {
    /// Reads a table; `None` when there is no such relation. A relation of another kind is read
    /// all the same: see [`kind`](Self::kind).
    ///
    /// The caller must have pinned `search_path` to `pg_catalog, pg_temp`, as
    /// [`Transaction::begin`](crate::Transaction::begin) does: what the server prints qualifies
    /// only the names that the path does not find. Needs no right on the table. Several
    /// statements: they agree with each other in a snapshot ([`Mode::Snapshot`](crate::Mode)) or
    /// while a lock keeps other DDL away. In a snapshot, definitions (of indexes, constraints,
    /// views) are still printed as of now.
    pub async fn load(
        queries: &impl Queries,
        name: &QualifiedName,
    ) -> Result<Option<Self>, CatalogError> {
        let server_version_num = version(queries).await?;
        load(queries, name, server_version_num).await
    }
}

async fn version(queries: &impl Queries) -> Result<u32, CatalogError> {
    let row = queries.query_opt(VERSION, &[]).await?;
    Ok(row
        .and_then(|row| row.try_get::<_, i32>(0).ok())
        .map_or(0, i32::unsigned_abs))
}

async fn load(
    queries: &impl Queries,
    name: &QualifiedName,
    server_version_num: u32,
) -> Result<Option<Table>, CatalogError> {
    let (schema, relation) = (name.schema.as_str(), name.name.as_str());
    let params: [Param<'_>; 2] = [(&schema, Type::NAME), (&relation, Type::NAME)];
    let Some(head) = list::<Head>(queries, "tables", TABLE, &params)
        .await?
        .into_iter()
        .next()
    else {
        return Ok(None);
    };
    let oid = head.oid;
    let own: [Param<'_>; 1] = [(&oid, Type::OID)];
    let publications = if server_version_num < 150_000 {
        PUBLICATIONS_14
    } else {
        PUBLICATIONS
    };
    let (mut constraints, mut inbound_foreign_keys) = (Vec::new(), Vec::new());
    for found in list::<InboundForeignKey>(queries, "constraints", CONSTRAINTS, &own).await? {
        if found.oid == oid {
            constraints.push(found.constraint);
        } else {
            inbound_foreign_keys.push(found);
        }
    }
    let dependents: Vec<Dependent> = list(queries, "dependents", DEPENDENTS, &own).await?;
    Ok(Some(Table {
        oid,
        name: head.name,
        kind: head.kind,
        persistence: head.persistence,
        owner: head.owner,
        comment: head.comment,
        acl: head.acl,
        row_security: head.row_security,
        replica_identity: head.replica_identity,
        storage: head.storage,
        of_type: head.of_type,
        extension: head.extension,
        partition_key: head.partition_key,
        columns: columns(queries, oid).await?,
        indexes: list(queries, "indexes", INDEXES, &own).await?,
        constraints,
        inbound_foreign_keys,
        altered_constraint_triggers: head.altered_constraint_triggers,
        sequences: list(queries, "sequences", SEQUENCES, &own).await?,
        shared_sequences: list(queries, "sequences", SHARED_SEQUENCES, &own).await?,
        triggers: list(queries, "triggers", TRIGGERS, &own).await?,
        rules: list(queries, "rules", RULES, &own).await?,
        policies: list(queries, "policies", POLICIES, &own).await?,
        publications: list(queries, "publications", publications, &own).await?,
        subscriptions: head.subscriptions,
        parents: head.parents,
        partition: head.partition,
        children: list(queries, "children", CHILDREN, &own).await?,
        statistics: list(queries, "statistics", STATISTICS, &own).await?,
        security_labels: head.security_labels,
        mentioning_functions: mentioning(queries, oid, name, &dependents).await?,
        context_dependences: list(queries, "row code", ROW_CODE, &own).await?,
        dependents,
    }))
}

/// The functions that mention the table or a view on it, at whatever remove.
async fn mentioning(
    queries: &impl Queries,
    oid: u32,
    table: &QualifiedName,
    dependents: &[Dependent],
) -> Result<Vec<MentioningFunction>, CatalogError> {
    let views = dependents.iter().filter_map(|one| one.view.as_ref());
    let names: Vec<&str> = std::iter::once(&table.name)
        .chain(views.map(|view| &view.name.name))
        .map(Ident::as_str)
        .collect();
    let params: [Param<'_>; 2] = [(&oid, Type::OID), (&names, Type::TEXT_ARRAY)];
    list(queries, "functions", FUNCTIONS, &params).await
}

/// Columns, each with what its type says; types are read once, however many columns have them.
async fn columns(queries: &impl Queries, table: u32) -> Result<Vec<Column>, CatalogError> {
    let objects = objects(queries, "columns", COLUMNS, &[(&table, Type::OID)]).await?;
    let mut oids: Vec<u32> = objects.iter().filter_map(type_oid).collect();
    oids.sort_unstable();
    oids.dedup();
    let types = types(queries, &oids).await?;
    let mut columns = Vec::with_capacity(objects.len());
    for mut object in objects {
        let found = types
            .iter()
            .find(|found| type_oid(found) == type_oid(&object));
        object.extend(
            found
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        columns.push(decode("columns", Value::Object(object))?);
    }
    Ok(columns)
}

/// What the planner asks of types: `type_oid`, `type_name`, `type_kind`, `domain`, `equality`.
pub(super) async fn types(
    queries: &impl Queries,
    oids: &[u32],
) -> Result<Vec<Map<String, Value>>, CatalogError> {
    objects(queries, "types", TYPES, &[(&oids, Type::OID_ARRAY)]).await
}

fn type_oid(object: &Map<String, Value>) -> Option<u32> {
    object.get("type_oid")?.as_u64()?.try_into().ok()
}

pub(super) async fn list<T: DeserializeOwned>(
    queries: &impl Queries,
    object: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<T>, CatalogError> {
    rows(queries, sql, params)
        .await?
        .iter()
        .map(|row| decode(object, json(row)?))
        .collect()
}

async fn objects(
    queries: &impl Queries,
    object: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<Map<String, Value>>, CatalogError> {
    list(queries, object, sql, params).await
}

async fn rows(
    queries: &impl Queries,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<Row>, CatalogError> {
    let sql = format!("select pg_catalog.row_to_json(x) from (\n{sql}) as x");
    Ok(queries.query(&sql, params).await?)
}

fn json(row: &Row) -> Result<Value, CatalogError> {
    row.try_get(0)
        .map_err(|error| CatalogError::Query(error.into()))
}

pub(super) fn decode<T: DeserializeOwned>(
    object: &'static str,
    value: Value,
) -> Result<T, CatalogError> {
    serde_json::from_value(value).map_err(|source| CatalogError::Unexpected { object, source })
}
