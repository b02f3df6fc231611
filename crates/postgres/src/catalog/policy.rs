//! Row security policies and rewrite rules.

use crossfade_plan::Ident;
use serde::{Deserialize, Serialize};

use super::FiringState;

/// One policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    pub name: Ident,
    /// For which command.
    pub command: PolicyCommand,
    /// Whether it adds rows (PERMISSIVE) or takes rows away (RESTRICTIVE).
    pub permissive: bool,
    /// For which roles; empty is PUBLIC.
    pub roles: Vec<Ident>,
    /// USING.
    pub using: Option<String>,
    /// WITH CHECK.
    pub check: Option<String>,
    /// The columns that it reads, in the order of the table.
    pub columns: Vec<Ident>,
    /// The comment.
    pub comment: Option<String>,
}

/// The command that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyCommand {
    /// All of them.
    All,
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// One rewrite rule, the one that makes a view a view left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: Ident,
    /// On what.
    pub event: RuleEvent,
    /// INSTEAD.
    pub instead: bool,
    /// In which sessions it works.
    pub state: FiringState,
    /// The CREATE RULE statement, with the names qualified.
    pub definition: String,
    /// The comment.
    pub comment: Option<String>,
}

/// The command that a rule rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleEvent {
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}
