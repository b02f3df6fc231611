//! The table itself.

use std::collections::BTreeMap;

use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

use super::{
    Acl, Column, Constraint, ConstraintKind, ContextDependence, Dependent, ExtendedStatistics,
    InboundForeignKey, Index, MentioningFunction, Policy, Publication, Rule, Sequence,
    SharedSequence, Trigger,
};

/// Storage parameters and the like: name to value.
pub type Options = BTreeMap<String, String>;

/// One table on one server, as the planner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// The server's version, as in `server_version_num`: 150006.
    pub server_version_num: u32,
    /// The table.
    pub table: Table,
}

/// A table and everything that hangs on it.
///
/// Lists are in the order of names, columns in the order of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// What kind of relation.
    pub kind: RelationKind,
    /// Whether it survives a crash or the session.
    pub persistence: Persistence,
    /// Its owner.
    pub owner: Ident,
    /// The comment.
    pub comment: Option<String>,
    /// Its rights; those of columns are with the columns.
    pub acl: Acl,
    /// Row security switches.
    pub row_security: RowSecurity,
    /// What logical replication sends of an old row.
    pub replica_identity: ReplicaIdentity,
    /// How and where it is stored.
    pub storage: TableStorage,
    /// The composite type that it was made OF.
    pub of_type: Option<QualifiedName>,
    /// The extension that it belongs to.
    pub extension: Option<Ident>,
    /// The partition key of a partitioned table: `RANGE (id)`.
    pub partition_key: Option<String>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Its constraints, outgoing foreign keys and self-references among them.
    pub constraints: Vec<Constraint>,
    /// Foreign keys of other tables that point here.
    pub inbound_foreign_keys: Vec<InboundForeignKey>,
    /// Constraints whose internal triggers were switched off or to another state.
    pub altered_constraint_triggers: Vec<Ident>,
    /// Sequences that its columns own.
    pub sequences: Vec<Sequence>,
    /// Sequences that its defaults use and others own, or nobody.
    pub shared_sequences: Vec<SharedSequence>,
    /// Its triggers, ours among them ([`Trigger::ours`]).
    pub triggers: Vec<Trigger>,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Its policies, in force or not.
    pub policies: Vec<Policy>,
    /// The publications that it is in.
    pub publications: Vec<Publication>,
    /// The subscriptions that write into it.
    pub subscriptions: Vec<Ident>,
    /// Tables that it inherits from, in their order.
    pub parents: Vec<QualifiedName>,
    /// What makes it a partition of its only parent.
    pub partition: Option<Partition>,
    /// Tables that inherit from it directly: children, or partitions.
    pub children: Vec<Child>,
    /// Extended statistics.
    pub statistics: Vec<ExtendedStatistics>,
    /// Security labels: provider and label, of the table and (`column name: label`) its columns.
    pub security_labels: Vec<String>,
    /// Everything else that depends on it.
    pub dependents: Vec<Dependent>,
    /// Functions whose code mentions it. They are no part of it: see [`parts`](Self::parts).
    pub mentioning_functions: Vec<MentioningFunction>,
    /// Code that its rows run and that depends on the session. No part of it either: what mends it
    /// must not be drift.
    pub context_dependences: Vec<ContextDependence>,
}

/// The kind of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// An ordinary table, a leaf partition too.
    Ordinary,
    /// A partitioned table.
    Partitioned,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    Foreign,
    /// A sequence.
    Sequence,
    /// An index, of a table or a partitioned one.
    Index,
    /// A composite type.
    CompositeType,
    /// A TOAST table.
    Toast,
}

/// Whether a relation survives a crash or its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// Both.
    Permanent,
    /// Empty after a crash, absent on replicas.
    Unlogged,
    /// Gone with its session.
    Temporary,
}

/// Row security switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowSecurity {
    /// Policies are in force.
    pub enabled: bool,
    /// For the owner as well.
    pub forced: bool,
}

/// What logical replication sends of an old row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaIdentity {
    /// The primary key.
    Default,
    /// Nothing.
    Nothing,
    /// All columns.
    Full,
    /// The columns of an index; `None` when it has been dropped.
    Index(Option<Ident>),
}

/// How and where a table is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableStorage {
    /// The access method; `None` for what has no storage.
    pub access_method: Option<Ident>,
    /// The tablespace, where it is not the database's.
    pub tablespace: Option<Ident>,
    /// Storage parameters: fillfactor, autovacuum.
    pub options: Options,
    /// Storage parameters of the TOAST table, without the prefix `toast.`.
    pub toast_options: Options,
}

/// What makes a table a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// `FOR VALUES FROM (1) TO (100)`, or `DEFAULT`.
    pub bound: String,
    /// Whether it is being detached concurrently.
    pub detaching: bool,
}

/// A table that inherits from this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// What kind of relation.
    pub kind: RelationKind,
    /// For a partition, its bound.
    pub partition: Option<Partition>,
}

impl Table {
    /// The column of this name.
    pub fn column(&self, name: &Ident) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// The index of this name.
    pub fn index(&self, name: &Ident) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == *name)
    }

    /// The constraint of this name.
    pub fn constraint(&self, name: &Ident) -> Option<&Constraint> {
        self.constraints
            .iter()
            .find(|constraint| constraint.name == *name)
    }

    /// The index of the primary key.
    pub fn primary_key(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| index.primary)
    }

    /// Outgoing foreign keys, self-references among them.
    pub fn foreign_keys(&self) -> impl Iterator<Item = &Constraint> {
        self.constraints
            .iter()
            .filter(|constraint| constraint.kind == ConstraintKind::ForeignKey)
    }

    /// The triggers that are not ours.
    pub fn user_triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.iter().filter(|trigger| !trigger.ours)
    }
}
