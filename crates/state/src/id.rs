//! Ids and numbers of the state schema, each its own type.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// `migration.id`.
    MigrationId(i64)
}
number! {
    /// `verification.id`.
    VerificationId(i64)
}
number! {
    /// `task_range.id`.
    RangeId(i64)
}
number! {
    /// How often a lease has changed hands, or was proved anew. Grows only.
    Epoch(i64)
}
number! {
    /// `pg_class.oid` of a table.
    RelationOid(u32)
}
number! {
    /// `pg_relation_filenode()` of a table: changes when the table is rewritten.
    Filenode(u32)
}
number! {
    /// A heap block, counted from 0.
    BlockNumber(u32)
}

impl BlockNumber {
    /// From a column of type bigint. No larger one is ever stored.
    pub(crate) fn from_column(stored: i64) -> Self {
        Self(u32::try_from(stored).unwrap_or(u32::MAX))
    }
}
