//! What people and programs see of a migration: its status as the state has it, and the progress
//! of a running command as the engine's events tell it.
//!
//! Nothing here changes anything: [`status`] reads the state, [`progress`] consumes events.

pub mod quantity;

pub mod progress;
pub mod status;
