//! The state schema: migrations and their stages, steps, ranges, the lease with its fencing,
//! control, events. Checkpoint and rows live in one database, so that they commit together.
//!
//! Reads take anything that runs statements, so that the gate can ask within its transaction.
//! Writes that belong to work take the [`Transaction`](crossfade_postgres::Transaction) of that
//! work; the others open their own.

mod actor;
mod approval;
mod continuity;
mod control;
mod error;
mod event;
mod grants;
mod horizon;
mod id;
mod lease;
mod migration;
mod mismatch;
mod progress;
mod range;
mod register;
mod reverse_loss;
mod row_error;
mod schema;
mod step;
mod store;
mod target_catalog;
mod verification;
mod verified_interval;

pub use actor::{Actor, Process, ProcessError};
pub use approval::Approval;
pub use continuity::DualWriteRecord;
pub use control::{Control, ControlChange};
pub use error::StateError;
pub use event::{Event, NewEvent};
pub use grants::{Grants, StatisticsAccess};
pub use horizon::Horizon;
pub use id::{BlockNumber, Epoch, Filenode, MigrationId, RangeId, RelationOid, VerificationId};
pub use lease::{Acquired, HeartbeatTask, Lease, LeaseHolder, Watched};
pub use migration::MigrationRecord;
pub use mismatch::{Mismatch, MismatchKind};
pub use range::{Checkpoint, Ensured, HeapExtent, LeftOut, Range, RangeProgress};
pub use register::{NewMigration, Registered};
pub use reverse_loss::ReverseLoss;
pub use row_error::{NewRowError, RowError};
pub use schema::SCHEMA_VERSION;
pub use step::StepRecord;
pub use store::Store;
pub use verification::{Direction, Mode, Verdict, Verification, VerificationResult};
pub use verified_interval::{Side, VerifiedInterval};
