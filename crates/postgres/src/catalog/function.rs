//! Functions and procedures whose code mentions the table.

use crossfade_plan::Ident;
use serde::{Deserialize, Serialize};

/// A PL/pgSQL function or procedure that mentions the table or a view on it, or is the function of
/// one of its triggers.
///
/// The server knows of no dependency: the name is looked for as a word in the source, so too many
/// are found rather than too few. What builds the name at run time is not found. Such code keeps
/// plans and the types of its record variables in each open session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MentioningFunction {
    /// Its name with schema and argument types, quoted: `public.total(integer)`.
    pub signature: String,
    /// Function or procedure.
    pub kind: RoutineKind,
    /// Its owner.
    pub owner: Ident,
    /// Whether the role that read the catalog may alter it.
    pub alterable: bool,
}

/// Function or procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutineKind {
    /// A function, of a trigger too.
    Function,
    /// A procedure.
    Procedure,
}
