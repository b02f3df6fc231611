//! Other objects that depend on the table.

use crossfade_plan::{Ident, QualifiedName};
use serde::{Deserialize, Serialize};

use super::{Acl, Options};

/// An object that depends on the table, its row type, its columns, keys or sequences, and that is
/// none of the kinds that a [`Table`](super::Table) lists on their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependent {
    /// Its kind, as the server names it: `view`, `materialized view`, `function`, `table column`.
    pub kind: String,
    /// Its name with schema and, for functions, arguments, quoted: `public.total(public.orders)`.
    pub identity: String,
    /// The columns of the table that it depends on, in the order of the table. Empty where it
    /// depends on the table as a whole, or only through other views.
    pub columns: Vec<Ident>,
    /// Steps from the table: 1 for one that depends on it directly, 2 for a view on a view.
    pub depth: u32,
    /// What it takes to make it anew, for views and materialized views.
    pub view: Option<DependentView>,
}

/// A view or materialized view, as it would be made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DependentView {
    /// Its OID.
    pub oid: u32,
    /// Its name.
    pub name: QualifiedName,
    /// View or materialized view.
    pub kind: ViewKind,
    /// Its owner.
    pub owner: Ident,
    /// The names of its columns.
    pub columns: Vec<Ident>,
    /// The query, with the names qualified.
    pub definition: String,
    /// `security_barrier`, storage parameters.
    pub options: Options,
    /// Its rights.
    pub acl: Acl,
    /// The comment.
    pub comment: Option<String>,
    /// Whether there is more on it that making it anew would lose, each by name: rights or
    /// comments on columns, defaults, triggers, rules, indexes of a materialized view.
    pub extras: Vec<String>,
    /// Whether a materialized view has been filled; true for views.
    pub populated: bool,
}

/// View or materialized view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// A view.
    View,
    /// A materialized view.
    Materialized,
}
