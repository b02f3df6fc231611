//! Code that runs whenever a row of the table is written, and that depends on who writes it, or when.

use crossfade_plan::Ident;
use serde::{Deserialize, Serialize};

/// Code of a CHECK, a domain, a default, a generated column or an index whose result can depend on
/// the `search_path`, the role, the settings of the session or the moment: all are other ones where
/// rows are copied and mirrored.
///
/// A function counts where nothing pins the names in its body: it is not written in C, has no
/// `search_path` of its own, and was not parsed when it was created (`begin atomic`). That its body
/// does depend on the path is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextDependence {
    /// What runs it: `constraint okay`, `domain public.positive`, `default of column n`,
    /// `generated column m`, `index i`.
    pub place: String,
    /// The column whose default it is: it runs only where a row is written without that column.
    pub default_of: Option<Ident>,
    /// The function with schema and argument types, quoted, or a word such as `current_user`.
    pub code: String,
    /// On what it may depend.
    pub on: Context,
}

/// On what code depends besides the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// The `search_path` of the session.
    SearchPath,
    /// The role that runs the statement.
    Role,
    /// Settings of the session, such as its time zone.
    Settings,
    /// The moment at which it runs: the time, or what a STABLE function finds. Of CHECKs only.
    Moment,
}
