//! Every operation of the format as it is written, the ones of later versions among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AddCheck, AddColumn, AddIndex, AddUnique, DropColumn, MergeColumns, Operation, RenameColumn,
    SetNotNull, SplitColumn, column::WrittenChangeType,
};
use crate::file::{SqlName, SqlTable, SqlText};

/// One operation, tagged by its name: a map with that one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Operation")]
#[serde(rename_all = "snake_case")]
pub(crate) enum WrittenOperation {
    AddColumn(AddColumn),
    ChangeType(WrittenChangeType),
    RenameColumn(RenameColumn),
    DropColumn(DropColumn),
    SplitColumn(SplitColumn),
    MergeColumns(MergeColumns),
    SetNotNull(SetNotNull),
    AddCheck(AddCheck),
    AddIndex(AddIndex),
    AddUnique(AddUnique),
    /// Not supported yet.
    DropNotNull(SetNotNull),
    /// Not supported yet.
    SetDefault(SetDefault),
    /// Not supported yet.
    SetPrimaryKey(AddUnique),
    /// Not supported yet.
    AddForeignKey(AddForeignKey),
    /// Not supported yet.
    DropIndex(NamedObject),
    /// Not supported yet.
    DropConstraint(NamedObject),
    /// Not supported yet.
    PartitionBy(PartitionBy),
    /// Not supported yet.
    MapTable(MapTable),
    /// Not supported yet.
    Sql(SqlStep),
    /// Not supported yet.
    RenameTable(OpenKeys),
    /// Not supported yet.
    ChangeEnum(OpenKeys),
    /// Not supported yet.
    PurgeRows(OpenKeys),
    /// Not supported yet.
    AddExclusion(OpenKeys),
    /// Not supported yet.
    ReorderColumns(OpenKeys),
    /// Not supported yet.
    SetStorage(OpenKeys),
    /// Not supported yet.
    MoveTable(OpenKeys),
}

/// The keys of an operation whose keys are not settled: any map.
type OpenKeys = serde_json::Map<String, serde_json::Value>;

/// Sets or removes the DEFAULT of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetDefault {
    /// The column.
    column: SqlName,
    /// The DEFAULT, an SQL expression; null removes it.
    default: Option<SqlText>,
}

/// Adds a foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddForeignKey {
    /// The constraint.
    name: SqlName,
    /// The referencing columns.
    columns: Vec<SqlName>,
    /// What they reference.
    references: References,
    /// What a delete there does here.
    #[serde(default)]
    on_delete: Option<ReferentialAction>,
    /// What an update there does here.
    #[serde(default)]
    on_update: Option<ReferentialAction>,
    /// Whether the check can wait for the commit.
    #[serde(default)]
    deferrable: bool,
}

/// The columns that a foreign key references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct References {
    /// The referenced table.
    table: SqlTable,
    /// Its columns.
    columns: Vec<SqlName>,
}

/// What a foreign key does when the referenced row goes or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReferentialAction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// An index or a constraint by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedObject {
    /// The index or constraint.
    name: SqlName,
}

/// Partitions the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartitionBy {
    /// How rows find their partition.
    method: PartitionMethod,
    /// The columns of the partition key.
    columns: Vec<SqlName>,
    /// The partitions, one by one.
    #[serde(default)]
    partitions: Vec<Partition>,
    /// Partitions in equal steps.
    #[serde(default)]
    every: Option<PartitionStep>,
}

/// How rows find their partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartitionMethod {
    Range,
    List,
    Hash,
}

/// One partition: from and to (range), values (list), modulus and remainder (hash).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Partition {
    name: SqlName,
    #[serde(default)]
    from: Option<serde_json::Value>,
    #[serde(default)]
    to: Option<serde_json::Value>,
    #[serde(default)]
    values: Option<Vec<serde_json::Value>>,
    #[serde(default)]
    modulus: Option<u32>,
    #[serde(default)]
    remainder: Option<u32>,
}

/// The width of equal partitions: an interval, or a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartitionStep {
    #[serde(default)]
    interval: Option<String>,
    #[serde(default)]
    count: Option<u64>,
}

/// Copies into a table of another shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MapTable {
    /// For each column of the target an SQL expression over the source's columns.
    columns: std::collections::BTreeMap<String, SqlText>,
    /// Which rows are copied: an SQL expression over the source's columns.
    #[serde(default, rename = "where")]
    predicate: Option<SqlText>,
    /// The target.
    #[serde(default)]
    into: Option<SqlTable>,
}

/// Runs SQL of one's own in a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SqlStep {
    /// The stage that runs it.
    stage: String,
    /// The SQL.
    up: SqlText,
    /// The SQL that undoes it.
    down: SqlText,
    /// Whether it runs in a transaction.
    #[serde(default = "yes")]
    transactional: bool,
}

const fn yes() -> bool {
    true
}

impl WrittenOperation {
    /// The operation, or the name of one that is not supported yet.
    pub(crate) fn supported(self) -> Result<Operation, &'static str> {
        Ok(match self {
            Self::AddColumn(op) => Operation::AddColumn(op),
            Self::ChangeType(op) => Operation::ChangeType(op.into()),
            Self::RenameColumn(op) => Operation::RenameColumn(op),
            Self::DropColumn(op) => Operation::DropColumn(op),
            Self::SplitColumn(op) => Operation::SplitColumn(op),
            Self::MergeColumns(op) => Operation::MergeColumns(op),
            Self::SetNotNull(op) => Operation::SetNotNull(op),
            Self::AddCheck(op) => Operation::AddCheck(op),
            Self::AddIndex(op) => Operation::AddIndex(op),
            Self::AddUnique(op) => Operation::AddUnique(op),
            Self::DropNotNull(_) => return Err("drop_not_null"),
            Self::SetDefault(_) => return Err("set_default"),
            Self::SetPrimaryKey(_) => return Err("set_primary_key"),
            Self::AddForeignKey(_) => return Err("add_foreign_key"),
            Self::DropIndex(_) => return Err("drop_index"),
            Self::DropConstraint(_) => return Err("drop_constraint"),
            Self::PartitionBy(_) => return Err("partition_by"),
            Self::MapTable(_) => return Err("map_table"),
            Self::Sql(_) => return Err("sql"),
            Self::RenameTable(_) => return Err("rename_table"),
            Self::ChangeEnum(_) => return Err("change_enum"),
            Self::PurgeRows(_) => return Err("purge_rows"),
            Self::AddExclusion(_) => return Err("add_exclusion"),
            Self::ReorderColumns(_) => return Err("reorder_columns"),
            Self::SetStorage(_) => return Err("set_storage"),
            Self::MoveTable(_) => return Err("move_table"),
        })
    }
}
