//! The verifier against real PostgreSQL.

mod alignment;
mod clean;
mod damage;
mod failures;
mod fixture;
mod keys;
mod modes;
mod plans;
mod rate;
mod repair;
mod resume;
mod self_test;
