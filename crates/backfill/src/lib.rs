//! Backfill: copies the rows that were there before dual-write, in paced and resumable chunks,
//! and closes when nothing is missing and nobody can see a snapshot from before.

mod approach;
mod chunk;
mod closing;
mod copy;
mod error;
mod extent;
mod horizon;
mod isolate;
mod job;
mod plan_shape;
mod progress;
mod refused;
mod tid;
mod worker;

pub use error::BackfillError;
pub use horizon::wait_for_horizon;
pub use job::{Ending, Job};
