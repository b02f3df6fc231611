//! Verify: exact join, sampling, counts, invariants, repair, self-test, verdicts.
//!
//! `crates/verify/README.md` has the algorithm and why it holds.

mod begin;
mod bounds;
mod compare;
mod counts;
mod draw;
mod error;
mod full;
mod interval;
mod invariant;
mod job;
mod key;
mod key_order;
mod order;
mod pace;
mod queue;
mod read;
mod record;
mod repair;
mod report;
mod resume;
mod sample;
mod self_test;
mod sides;
mod statement;
mod worker;

pub use error::VerifyError;
pub use interval::{Interval, Key, tiles};
pub use job::{Job, Settings};
pub use pace::{Compared, Pace, Permission};
pub use repair::RepairReport;
pub use report::{Bound, InvariantResult, NotCompared, NotComparedBecause, Reason, Report};
pub use self_test::{SelfTest, Unshown};
pub use sides::{Alignment, Sides};
pub use statement::Statement;
