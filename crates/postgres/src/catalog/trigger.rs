//! Triggers.

use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

/// One trigger, those behind foreign keys and deferrable keys left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags of the catalog"
)]
pub struct Trigger {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: Ident,
    /// The CREATE TRIGGER statement, with the names qualified.
    pub definition: String,
    /// What it calls.
    pub function: QualifiedName,
    /// In which sessions it fires.
    pub state: FiringState,
    /// When it fires.
    pub timing: TriggerTiming,
    /// For each what.
    pub level: TriggerLevel,
    /// On what, in the order of [`TriggerEvent`].
    pub events: Vec<TriggerEvent>,
    /// UPDATE OF these columns, in the order of the table; empty for any.
    pub update_of: Vec<Ident>,
    /// The columns that it names in UPDATE OF or reads in WHEN, in the order of the table.
    pub columns: Vec<Ident>,
    /// Whether it has a WHEN clause.
    pub condition: bool,
    /// Whether it is a constraint trigger.
    pub constraint: bool,
    /// Whether it comes from a parent.
    pub inherited: bool,
    /// Whether it is one of Crossfade's own, by its name.
    pub ours: bool,
    /// The comment.
    pub comment: Option<String>,
}

/// In which sessions a trigger or a rule fires (`session_replication_role`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FiringState {
    /// In ordinary sessions.
    Origin,
    /// In none.
    Disabled,
    /// In those that apply replicated changes.
    Replica,
    /// In all.
    Always,
}

/// When a trigger fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerTiming {
    /// Before the row or statement.
    Before,
    /// After it.
    After,
    /// Instead of it, on views.
    InsteadOf,
}

/// For what a trigger fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerLevel {
    /// Each row.
    Row,
    /// Each statement.
    Statement,
}

/// What fires a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerEvent {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
}
