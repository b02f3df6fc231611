//! From a plan file and the catalog to an execution plan.
//!
//! [`collect_facts`] asks the server what it must be asked, [`plan`] is pure: the same plan file,
//! catalog and facts give the same plan, to the byte. [`check`] reads finished plans with other
//! eyes than those that made them, and [`render`] prints them.

mod casts;
mod checker;
mod column_type;
mod error;
mod facts;
mod hazards;
mod images;
mod index_definition;
mod key;
mod moment;
pub mod names;
mod operations;
mod planning;
mod questions;
mod references;
pub mod render;
mod rights;
mod session;
mod survivors;
mod table_strategy;
mod target;
mod tokens;
mod totality;

pub use checker::{Finding, check};
pub use column_type::ColumnType;
pub use error::{PlanError, PlanErrorKind, PlanErrors};
pub use facts::{Facts, TypeAnswer, TypeAnswers, collect_facts};
pub use planning::{PlannerSettings, plan};
pub use questions::{Over, Question};
pub use rights::{Denied, denied_to_owner};
