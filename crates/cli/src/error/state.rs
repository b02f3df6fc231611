//! Errors of the state schema.

use crossfade_state::StateError;

use super::query::of_class;
use super::{Code, Failure};

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let code = match error {
            StateError::Connect(error) => return error.into(),
            StateError::Begin(error) => return error.into(),
            StateError::Query(error) => return error.into(),
            StateError::Commit(error) => return error.into(),
            StateError::SchemaNewer { .. } => Code::StateNewer,
            StateError::SchemaOlder { .. } => Code::StateOlder,
            StateError::SchemaTaken { .. } => Code::StateTaken,
            StateError::UnknownMigration(_) => Code::UnknownMigration,
            StateError::NotThisPlan { .. } => Code::PlanChanged,
            _ => of_class(error.class()),
        };
        Self::of(code, &error)
    }
}
