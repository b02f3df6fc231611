//! The engine: carries out an execution plan, stage by stage, and takes it up again after any
//! failure.

mod backfill;
mod concurrent_index;
mod continuity;
mod contract;
mod cutover;
mod engine;
mod error;
mod executor;
mod expand;
mod gate;
mod holders;
pub mod preflight;
mod rollback;
mod runner;
mod verify;

pub use engine::{Engine, Limits};
pub use error::EngineError;
pub use expand::Expansion;
pub use gate::Shut;
pub use rollback::Loss;
pub use runner::StageEnd;
pub use verify::{Comparison, VerifyEnd, VerifyRequest};
