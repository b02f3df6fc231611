//! A live workload: an application that reads and writes while its table is migrated.
//!
//! Each change is made to the application's table and, in the same transaction, to a control
//! table: whatever happens to the first one, both must hold the same at the end. A statement
//! that fails, other than by 40001 at the higher isolation levels, is recorded.
//!
//! # How both tables stay equal at READ COMMITTED
//! The application's table is changed first, and the control table only gets what the first
//! statement says it has done (`returning`). A row that it has changed is locked until the end
//! of the transaction, so nobody else can come between the two statements. A key that it did
//! not find may appear before the second statement; the control table is then left alone.
//!
//! # Why it has no deadlock of its own
//! A transaction that waits for a row while it holds another one takes them in one order
//! ([`Key`]), each on the application's table before the control table. That alone is not
//! enough where rows change their keys: a statement that has waited for a row locks the row's
//! new version before it sees that the key is another one now, and so may hold a row that comes
//! later in the order, or wait for one that comes earlier. So only half of the keys ever change
//! (by moves and swaps, which never wait while they hold a row), and transactions of several keys
//! use the other half. New keys are used by one transaction alone. TRUNCATE is the first
//! statement of its transaction. Each deadlock that is recorded comes from outside.

mod app_table;
mod column;
mod key;
mod key_space;
mod kind;
mod latency;
mod ledger;
mod report;
mod runner;
mod shape;
mod side;
mod spec;
mod transaction;
mod worker;

pub use app_table::{AppTable, KeyOrigin};
pub use column::{Column, Values};
pub use key::{Key, KeyKind};
pub use kind::Kind;
pub use latency::LatencyReport;
pub use report::{Failure, KindReport, TooFew, WorkloadReport};
pub use runner::{Running, Workload, WorkloadError};
pub use shape::{Shape, ShapeError};
pub use spec::{
    Durability, Isolation, IsolationMix, KindMix, OnDisconnect, OnStalePlan, WorkloadSpec,
};
