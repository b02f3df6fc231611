//! Plan files: what a user asks for, read from YAML or JSON and checked without a database.
//!
//! Reading goes in three steps. The text becomes the plan as it is written (`written`, the whole
//! format, from which the JSON Schema is made), that is lowered to [`PlanFile`], which holds only
//! what this version can do (everything else is refused by name), and the checks of `validate`
//! run on the result. Names of columns, indexes and constraints are written as SQL writes them:
//! folded to lower case unless double-quoted.

mod backfill;
mod duration;
mod error;
mod issue;
mod operation;
mod position;
mod scalar;
mod size;
mod sql_name;
mod sql_text;
mod stages;
mod threshold;
mod throttle;
mod validate;
mod verify;
mod written;
mod yaml;

use serde::{Deserialize, Serialize};

pub use backfill::Backfill;
pub use duration::PlanDuration;
pub use error::{PlanFileError, PlanFileErrorKind, PlanFileErrors};
pub use operation::{
    AddCheck, AddColumn, AddIndex, AddUnique, ChangeType, DropColumn, IndexColumn, IndexExpression,
    MergeColumns, MergedColumn, NullsOrder, Operation, RenameColumn, SetNotNull, SortOrder,
    SplitColumn, SplitPart,
};
pub use position::{PlanPath, Position, Positions};
pub use sql_name::{SqlName, SqlTable};
pub use sql_text::{SqlText, SqlTextError};
pub use stages::{Contract, Cutover};
pub use threshold::Threshold;
pub use throttle::Throttle;
pub use verify::{Invariant, Verify, VerifyMode};

use crate::MigrationName;
use issue::Issue;
use written::WrittenPlan;

/// What a user asks for: one migration of one table, checked as far as that goes without a
/// database.
///
/// Serialized, it is a plan file again (JSON, with every default filled in), and deserializing it
/// runs all checks, so that no unchecked `PlanFile` comes out of the state either.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPlan")]
pub struct PlanFile {
    /// The name of the migration.
    pub name: MigrationName,
    /// What it is for.
    pub description: Option<String>,
    /// Migrations that must be cut over or contracted before.
    pub requires: Vec<MigrationName>,
    /// The table to migrate.
    pub table: SqlTable,
    /// How it is migrated.
    pub strategy: Strategy,
    /// Whether the columns must keep their order.
    pub keep_order: bool,
    /// What changes; never empty.
    pub operations: Vec<Operation>,
    /// How existing rows are copied.
    pub backfill: Backfill,
    /// When the backfill waits.
    pub throttle: Throttle,
    /// How both sides are compared.
    pub verify: Verify,
    /// When and how the sides are swapped.
    pub cutover: Cutover,
    /// When the old side is removed.
    pub contract: Contract,
    /// Anything that the record should carry.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// How a table is migrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The planner chooses.
    Auto,
    /// A new table beside the old one.
    Table,
}

/// A plan file, and where its parts stand in the text.
#[derive(Debug, Clone)]
pub struct ParsedPlanFile {
    /// The plan.
    pub plan: PlanFile,
    /// The positions, for errors that later checks find.
    pub positions: Positions,
}

impl PlanFile {
    /// Reads a plan file, YAML or JSON.
    pub fn parse(text: &str) -> Result<ParsedPlanFile, PlanFileErrors> {
        // First as a tree of any keys, so that what is no YAML at all is named before what is a
        // key too many.
        let root: Option<position::Node> = yaml::read(text)?;
        let positions = Positions::new(root.ok_or_else(yaml::empty)?, text);
        if let Some(path) = positions.operation_without_one_key() {
            let issue = Issue::invalid(path, "an operation is a map with one key, its name")
                .help("write for example `- drop_column: { column: old }`");
            return Err(Box::new(issue.locate(&positions)).into());
        }
        let written: Option<WrittenPlan> = yaml::read(text)?;
        let (plan, issues) = written.ok_or_else(yaml::empty)?.lower();
        let errors = issues
            .into_iter()
            .map(|issue| issue.locate(&positions))
            .collect();
        match PlanFileErrors::sorted(errors) {
            Some(errors) => Err(errors),
            None => Ok(ParsedPlanFile { plan, positions }),
        }
    }

    /// The plan as JSON with sorted keys and every default filled in: two files that mean the same
    /// have the same text. The fingerprint hashes it, the state stores it.
    ///
    /// # Panics
    /// Never: a plan holds only what JSON can hold.
    pub fn canonical_json(&self) -> String {
        let value = serde_json::to_value(self).expect("a plan has string keys and finite numbers");
        sorted(value).to_string()
    }

    /// The JSON Schema of plan files.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(WrittenPlan).to_value()
    }

    /// The path of a key of one operation, such as `operations[1].change_type.column`.
    ///
    /// # Panics
    /// When there is no operation with that index.
    pub fn operation_path(&self, index: usize, key: &str) -> PlanPath {
        let tag = self.operations[index].tag();
        PlanPath::top("operations").item(index).key(tag).key(key)
    }
}

impl TryFrom<WrittenPlan> for PlanFile {
    type Error = String;

    fn try_from(written: WrittenPlan) -> Result<Self, String> {
        let (plan, issues) = written.lower();
        match issues.into_iter().next() {
            Some(issue) => Err(issue.to_string()),
            None => Ok(plan),
        }
    }
}

/// Sorts the keys of all maps: `serde_json` keeps them in the order of their insertion.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}
