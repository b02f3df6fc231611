//! Names of everything that a migration makes or renames.

use serde::{Deserialize, Serialize};

use crate::execution::DualWriteNames;
use crate::{Ident, MigrationName, NameError, QualifiedName};

/// The names of one migration, all in the source's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    /// The shadow table before cutover: `<table>__new`.
    pub target: QualifiedName,
    /// The source after cutover: `<table>__old`.
    pub retired: QualifiedName,
    /// Dual-write from source to target, before cutover.
    pub forward: DualWriteNames,
    /// Dual-write from the new side to the old one, after cutover.
    pub reverse: DualWriteNames,
}

impl Objects {
    /// Derives every name from the migration's and the table's.
    pub fn derive(migration: &MigrationName, table: &QualifiedName) -> Result<Self, NameError> {
        let suffixed = |suffix: &str| -> Result<QualifiedName, NameError> {
            Ok(table.sibling(Ident::shortened(&format!(
                "{}{suffix}",
                table.name.as_str()
            ))?))
        };
        Ok(Self {
            target: suffixed("__new")?,
            retired: suffixed("__old")?,
            forward: direction(migration, table, "forward")?,
            reverse: direction(migration, table, "reverse")?,
        })
    }
}

fn direction(
    migration: &MigrationName,
    table: &QualifiedName,
    role: &str,
) -> Result<DualWriteNames, NameError> {
    let named = |role: &str| Ident::shortened(&format!("crossfade_{migration}_{role}"));
    // Triggers of one event fire in the order of their names by bytes, and `!` sorts before every
    // letter: the mirror of a row is then made before user triggers of the same row change others.
    let trigger = |role: &str| Ident::shortened(&format!("!crossfade_{migration}_{role}"));
    Ok(DualWriteNames {
        row_function: table.sibling(named(role)?),
        truncate_function: table.sibling(named(&format!("{role}_truncate"))?),
        row_trigger: trigger(role)?,
        truncate_trigger: trigger(&format!("{role}_truncate"))?,
    })
}
