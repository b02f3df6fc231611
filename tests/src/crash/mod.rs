//! The built program, killed and resumed: what the crash tests share.
//!
//! They run `crossfade` as a process of its own, let it die by SIGKILL at a failpoint
//! ([`Kill`]) or kill it from outside, run the same command again, and compare at the end what an
//! application wrote all the while with a control table.
//!
//! # Which program
//! `target/<profile>/crossfade`, next to the test. `scripts/test` builds it together with all tests
//! and all features, failpoints among them. Where it is missing, older than one of its sources, or
//! without failpoints (a test run alone), [`program_path`] builds it once by cargo, under
//! cargo's own lock. `CROSSFADE_TEST_PROGRAM` names another one.

mod binary;
mod failpoints;
mod kill;
mod leads;
mod program;
mod watch;

pub use binary::program_path;
pub use failpoints::failpoints_in_sources;
pub use kill::{Kill, Kills, counts, in_order};
pub use leads::{Leads, Load, MIGRATION};
pub use program::{Process, Program, Run};
pub use watch::{Place, Watch};
