//! The continuity proof: the triggers that stand now are those that were created, and they were
//! never switched off in between.
//!
//! `disable trigger` and `enable trigger` leave the OID as it was, but each writes a new version of
//! the catalog row, and with it another `xmin`. The same holds for a function that was replaced and
//! put back.

use crossfade_plan::Ident;
use crossfade_plan::execution::DualWriteNames;
use crossfade_postgres::catalog::{CatalogError, TriggerFacts, trigger_facts};
use crossfade_postgres::{Queries, rule};
use serde::{Deserialize, Serialize};

/// What the catalogs said of both triggers of a direction right after they were created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Continuity {
    /// The row trigger and its function.
    pub row: TriggerFacts,
    /// The TRUNCATE trigger and its function.
    pub truncate: TriggerFacts,
}

impl Continuity {
    /// Reads the facts of a direction's triggers on the table with this OID: what is to be stored
    /// in the transaction that created them. `Err` names a trigger that is not there.
    pub async fn read(
        queries: &impl Queries,
        table: u32,
        names: &DualWriteNames,
    ) -> Result<Result<Self, Gap>, CatalogError> {
        let facts = trigger_facts(queries, table).await?;
        let find = |name: &Ident| {
            facts
                .iter()
                .find(|facts| facts.name == *name)
                .cloned()
                .ok_or_else(|| Gap {
                    trigger: name.as_str().to_owned(),
                    kind: GapKind::Missing,
                })
        };
        Ok(find(&names.row_trigger).and_then(|row| {
            Ok(Self {
                row,
                truncate: find(&names.truncate_trigger)?,
            })
        }))
    }

    /// Compares with what stands now. `None` means that no write can have passed the mirror by.
    pub async fn gap(
        &self,
        queries: &impl Queries,
        table: u32,
        names: &DualWriteNames,
    ) -> Result<Option<Gap>, CatalogError> {
        let now = match Self::read(queries, table, names).await? {
            Ok(now) => now,
            Err(gap) => return Ok(Some(gap)),
        };
        let touched = |then: &TriggerFacts, now: &TriggerFacts| {
            (then != now && rule::holds("dual-write/continuity")).then(|| Gap {
                trigger: now.name.as_str().to_owned(),
                kind: GapKind::Touched,
            })
        };
        Ok(touched(&self.row, &now.row).or_else(|| touched(&self.truncate, &now.truncate)))
    }
}

impl Continuity {
    /// Whether what stands now does the same to every write as what was created: another
    /// version of the same triggers. Writes of the time in between may have passed the mirror by,
    /// those from now on do not.
    pub fn does_the_same_as(&self, created: &Self) -> bool {
        let same = |now: &TriggerFacts, then: &TriggerFacts| {
            now.state == then.state
                && now.kind == then.kind
                && now.function == then.function
                && now.function_hash == then.function_hash
        };
        same(&self.row, &created.row) && same(&self.truncate, &created.truncate)
    }
}

/// Where the chain is broken: writes may have passed the mirror by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Name of the trigger.
    pub trigger: String,
    /// What is wrong with it.
    pub kind: GapKind,
}

/// What is wrong with a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// It does not exist.
    Missing,
    /// It, or its function, was dropped, altered, disabled or replaced at some time, even if it
    /// was put back.
    Touched,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            GapKind::Missing => write!(f, "trigger {} does not exist", self.trigger),
            GapKind::Touched => {
                write!(
                    f,
                    "trigger {} or its function was changed, disabled or replaced",
                    self.trigger
                )
            }
        }
    }
}
