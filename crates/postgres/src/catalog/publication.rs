//! Publications that the table is in.

use crossfade_plan::Ident;
use serde::{Deserialize, Serialize};

/// One publication that the table is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Its name.
    pub name: Ident,
    /// Its owner.
    pub owner: Ident,
    /// Why the table is in it.
    pub scope: PublicationScope,
    /// The columns that are published; `None` for all (PostgreSQL 15).
    pub columns: Option<Vec<Ident>>,
    /// The rows that are published; `None` for all (PostgreSQL 15).
    pub row_filter: Option<String>,
}

/// Why a table is in a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicationScope {
    /// It is named.
    Table,
    /// Its schema is (PostgreSQL 15).
    Schema,
    /// Every table is.
    AllTables,
}
