//! Changes behind our back: of the table, and of the triggers.

mod built;
mod found;
mod meanwhile;
mod scene;
