//! Access rights, item by item.

use std::fmt;

use crossfade_plan::Ident;
use serde::{Deserialize, Serialize};

/// The rights on one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acl {
    /// Whether the object never had a GRANT or REVOKE. [`grants`](Self::grants) are then those
    /// that the server assumes: all rights for the owner.
    pub implicit: bool,
    /// Every right, in the order of grantee (PUBLIC first), privilege, grantor.
    pub grants: Vec<Grant>,
}

/// One right of one role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Who has it; `None` is PUBLIC.
    pub grantee: Option<Ident>,
    /// What it allows.
    pub privilege: Privilege,
    /// Who gave it.
    pub grantor: Ident,
    /// Whether the grantee may pass it on.
    pub grantable: bool,
}

/// A right on a table, a column or a sequence. `Display` prints the keyword of GRANT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Privilege {
    /// Read.
    Select,
    /// Insert rows.
    Insert,
    /// Update rows.
    Update,
    /// Delete rows.
    Delete,
    /// Truncate.
    Truncate,
    /// Make foreign keys that point here.
    References,
    /// Make triggers.
    Trigger,
    /// VACUUM, ANALYZE and the like (PostgreSQL 17).
    Maintain,
    /// Use a sequence.
    Usage,
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::References => "references",
            Self::Trigger => "trigger",
            Self::Maintain => "maintain",
            Self::Usage => "usage",
        })
    }
}
