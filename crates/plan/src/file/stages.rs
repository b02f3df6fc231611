//! The `cutover` and `contract` sections: when the last stages may run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlanDuration;

/// When and how the sides are swapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cutover {
    /// The longest wait for the lock in one attempt.
    pub lock_timeout: PlanDuration,
    /// Whether the cutover waits until it is released by hand.
    pub hold: bool,
    /// The roles that must approve it.
    pub approvals: Vec<String>,
}

impl Default for Cutover {
    fn default() -> Self {
        Self {
            lock_timeout: PlanDuration::from_millis(200),
            hold: false,
            approvals: Vec::new(),
        }
    }
}

/// When the old side is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Contract {
    /// How long after the cutover the way back stays open.
    pub soak: PlanDuration,
    /// The roles that must approve it.
    pub approvals: Vec<String>,
}

impl Default for Contract {
    fn default() -> Self {
        Self {
            soak: PlanDuration::from_millis(0),
            approvals: Vec::new(),
        }
    }
}
