//! Dual-write: trigger and function SQL from a mapping, and the proof that it never paused.

pub mod chunk;
mod continuity;
mod direction;
mod kept;
mod old_key;
pub mod rederive;
mod refusal;
mod row_function;
pub mod sql;
mod truncate_function;

pub use continuity::{Continuity, Gap, GapKind};
pub use direction::{Direction, MirrorConstraints, MirrorValues, NewRow};
pub use kept::{Kept, kept};
pub use refusal::Refusals;
