//! The plan file as it is written: the whole format, keys of later versions among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Contract, Cutover, PlanFile, SqlName, SqlTable, Strategy, Verify, backfill::WrittenBackfill,
    issue::Issues, operation::WrittenOperation, position::PlanPath, throttle::WrittenThrottle,
    validate::validate,
};
use crate::MigrationName;

/// A plan file of Crossfade: one migration of one table.
///
/// Durations are written with a unit (`300ms`, `7d`), sizes too (`64MiB`), and every limit under
/// `throttle` may be `off`. Names are written as SQL writes them: folded to lower case unless
/// double-quoted (`'"Order Id"'`). Expressions are SQL over bare column names: `up` sees the
/// source's columns as they are now, whatever the order of the operations, `down` the target's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(title = "Crossfade plan file", rename = "PlanFile")]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPlan {
    /// The name of the migration, unique in its database.
    name: MigrationName,
    /// What the migration is for.
    #[serde(default)]
    description: Option<String>,
    /// Migrations that must be cut over or contracted before this one starts.
    #[serde(default)]
    requires: Vec<MigrationName>,
    /// The table to migrate.
    table: SqlTable,
    /// How the table is migrated.
    #[serde(default)]
    strategy: WrittenStrategy,
    /// The table that takes over. Not supported yet but for its defaults.
    #[serde(default)]
    target: Target,
    /// Whether the columns must keep their order. The table strategy always keeps it.
    #[serde(default)]
    keep_order: bool,
    /// What changes; all of it takes effect together.
    #[schemars(length(min = 1))]
    operations: Vec<WrittenOperation>,
    /// How existing rows are copied.
    #[serde(default)]
    backfill: WrittenBackfill,
    /// When the backfill waits.
    #[serde(default)]
    throttle: WrittenThrottle,
    /// When the backfill may run. Not supported yet.
    #[serde(default)]
    windows: Vec<Window>,
    /// How both sides are compared.
    #[serde(default)]
    verify: Verify,
    /// When and how the sides are swapped.
    #[serde(default)]
    cutover: Cutover,
    /// When the old side is removed.
    #[serde(default)]
    contract: Contract,
    /// Anything that the record of the migration should carry.
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
}

impl WrittenPlan {
    /// The plan that is meant, and everything that is wrong with it.
    pub(super) fn lower(self) -> (PlanFile, Issues) {
        let mut issues = Issues::default();
        let strategy = match self.strategy {
            WrittenStrategy::Auto => Strategy::Auto,
            WrittenStrategy::Table => Strategy::Table,
            WrittenStrategy::Column => {
                issues.not_supported(PlanPath::top("strategy"), "`strategy: column`");
                Strategy::Auto
            }
        };
        if self.target.name.is_some() {
            issues.not_supported(PlanPath::top("target").key("name"), "`target.name`");
        }
        if self.target.switch == Switch::Handover {
            issues.not_supported(PlanPath::top("target").key("switch"), "`switch: handover`");
        }
        if !self.windows.is_empty() {
            issues.not_supported(PlanPath::top("windows"), "`windows`");
        }
        let mut operations = Vec::with_capacity(self.operations.len());
        for (index, written) in self.operations.into_iter().enumerate() {
            let path = PlanPath::top("operations").item(index);
            if let WrittenOperation::ChangeType(change) = &written
                && change.with_children
            {
                let key = path.clone().key("change_type").key("with_children");
                issues.not_supported(key, "`with_children: true`");
            }
            match written.supported() {
                Ok(operation) => operations.push(operation),
                Err(tag) => issues.not_supported(path.key(tag), &format!("`{tag}`")),
            }
        }
        let plan = PlanFile {
            name: self.name,
            description: self.description,
            requires: self.requires,
            table: self.table,
            strategy,
            keep_order: self.keep_order,
            operations,
            backfill: self.backfill.lower(&mut issues),
            throttle: self.throttle.lower(&mut issues),
            verify: self.verify,
            cutover: self.cutover,
            contract: self.contract,
            metadata: self.metadata,
        };
        // Operations that were left out above would shift the paths of the others.
        if issues.is_empty() {
            validate(&plan, &mut issues);
        }
        (plan, issues)
    }
}

/// How a table is migrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Strategy")]
#[serde(rename_all = "snake_case")]
enum WrittenStrategy {
    /// The planner chooses.
    #[default]
    Auto,
    /// New columns beside the old ones. Not supported yet.
    Column,
    /// A new table beside the old one.
    Table,
}

/// The table that takes over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Target {
    /// The name of the new table. Not supported yet.
    name: Option<SqlName>,
    /// How applications get to the new table.
    switch: Switch,
}

/// How applications get to the new table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Switch {
    /// The new table takes the old one's name.
    #[default]
    Swap,
    /// Applications are pointed to the new name. Not supported yet.
    Handover,
}

/// A time in which the backfill may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Window {
    /// Days of the week, such as mon-fri; without it, every day.
    #[serde(default)]
    days: Option<String>,
    /// The time of day that it begins at.
    #[schemars(regex(pattern = "^[0-2][0-9]:[0-5][0-9]$"))]
    from: String,
    /// The time of day that it ends at; before `from`, it is the next day's.
    #[schemars(regex(pattern = "^[0-2][0-9]:[0-5][0-9]$"))]
    to: String,
    /// The time zone, such as Europe/Berlin.
    tz: String,
    /// The limits that apply in it.
    #[serde(default)]
    profile: Option<Profile>,
}

/// A set of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Profile {
    BusinessHours,
    Night,
}
