//! The catalog of one table: the table and everything that hangs on it.
//!
//! A [`Table`] is what the planner plans with, what a swap has to carry over, and what drift is
//! found in ([`Table::parts`]). It is read with one statement for each kind of object, never one
//! for each object, and takes no lock beyond those of plain reads.

mod acl;
mod column;
mod constraint;
mod dependent;
mod error;
pub mod facts;
mod function;
mod index;
mod load;
mod parts;
mod physical;
mod policy;
mod publication;
mod row_code;
mod sequence;
mod statistics;
mod table;
mod trigger;
mod trigger_facts;

pub use acl::{Acl, Grant, Privilege};
pub use column::{
    Column, Compression, Domain, Generated, GeneratedKind, Identity, Storage, TypeKind,
};
pub use constraint::{
    Constraint, ConstraintKind, ForeignKey, InboundForeignKey, Match, ReferentialAction,
};
pub use dependent::{Dependent, DependentView, ViewKind};
pub use error::CatalogError;
pub use function::{MentioningFunction, RoutineKind};
pub use index::{Index, IndexConstraint, IndexKey, KeyValue};
pub use physical::{Estimates, relation_filenode};
pub use policy::{Policy, PolicyCommand, Rule, RuleEvent};
pub use publication::{Publication, PublicationScope};
pub use row_code::{Context, ContextDependence};
pub use sequence::{Sequence, SequenceUse, SharedSequence};
pub use statistics::ExtendedStatistics;
pub use table::{
    Catalog, Child, Options, Partition, Persistence, RelationKind, ReplicaIdentity, RowSecurity,
    Table, TableStorage,
};
pub use trigger::{FiringState, Trigger, TriggerEvent, TriggerLevel, TriggerTiming};
pub use trigger_facts::{TriggerFacts, trigger_facts};
