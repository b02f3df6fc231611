//! Pure data of a migration: plan file, execution plan, fingerprint, stages, events. No I/O, no async.

pub mod event;
pub mod execution;
pub mod file;
pub mod fingerprint;
pub mod hazard;
pub mod mapping;
mod migration_name;
mod name;
pub mod objects;
mod stage;

pub use migration_name::MigrationName;
pub use name::{Ident, MAX_IDENT_BYTES, NameError, QualifiedName};
pub use stage::{OutOfOrder, Progress, Stage, Status};
