//! Connecting to a real server: certificates, passwords, failures, pool.

mod certificates;
mod failures;
mod passwords;
mod pool;
mod server;
mod transaction;
