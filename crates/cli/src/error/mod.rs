//! Errors as users meet them: a stable code, what happened, the state of the database, the next
//! step, and the place in the plan file.

mod connect;
mod engine;
mod failure;
mod json;
mod plan;
mod plan_file;
mod query;
mod registry;
mod report;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use engine::{engine_failure, too_late};
pub(crate) use failure::{Failure, Label, Place};
pub(crate) use json::as_json;
pub(crate) use plan::{no_such_table, plan_failure};
pub(crate) use plan_file::{plan_file_failure, sentence};
pub(crate) use registry::Code;
pub(crate) use report::{Look, as_text};
