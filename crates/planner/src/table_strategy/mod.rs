//! The table strategy: a new table beside the old one, kept in step by triggers, and a swap.

pub(crate) mod access;
pub(crate) mod backfilled;
pub(crate) mod blueprint;
pub(crate) mod contract;
pub(crate) mod create_table;
pub(crate) mod expand;
pub(crate) mod functions;
mod not_null;
pub(crate) mod sequences;
mod settings;
pub(crate) mod step;
mod strictness;
pub(crate) mod swap;
