//! The state against a real PostgreSQL, as a role that is not superuser.

mod control;
mod fixture;
mod heartbeat;
mod lease;
mod progress;
mod range;
mod register;
mod row_error;
mod schema;
mod verification;
