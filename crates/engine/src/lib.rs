//! The engine: carries out an execution plan, stage by stage, and takes it up again after any
//! failure.

mod backfill;
mod built;
mod concurrent_index;
mod continuity;
mod contract;
mod cutover;
mod engine;
mod error;
mod event_triggers;
mod executor;
mod expand;
mod explain;
mod gate;
mod gone;
mod holders;
mod journal;
mod patience;
pub mod preflight;
mod proof;
mod rollback;
mod run;
mod runner;
mod stamp;
mod verify;
mod watch;

pub use engine::{Engine, Limits};
pub use error::EngineError;
pub use expand::Expansion;
pub use gate::Shut;
pub use gone::Side;
pub use rollback::Loss;
pub use run::{RunEnd, RunRequest};
pub use runner::StageEnd;
pub use verify::{Comparison, VerifyEnd, VerifyRequest};
