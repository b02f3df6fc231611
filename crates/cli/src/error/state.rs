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
            StateError::PlanEdited { .. } => Code::PlanEdited,
            StateError::TableTaken { .. } => Code::TableTaken,
            StateError::FencedOut { .. } => Code::FencedOut,
            StateError::TakeoverBlocked { .. } => Code::TakeoverBlocked,
            StateError::OutOfOrder(_) => Code::OutOfOrder,
            StateError::VerificationVoided { .. } => Code::VerificationVoided,
            StateError::RangeReplaced(_) | StateError::RegistrationOvertaken(_) => Code::Passing,
            _ => of_class(error.class()),
        };
        let next = next(&error);
        let failure = Self::of(code, &error);
        match next {
            Some(next) => failure.next(next),
            None => failure,
        }
    }
}

/// The next step, where the error knows whose it is.
fn next(error: &StateError) -> Option<String> {
    match error {
        StateError::PlanEdited { name, .. } => Some(format!(
            "Put the plan file back as it was; or run `crossfade rollback {name}`, then \
             `crossfade expand` with the new file."
        )),
        StateError::TableTaken { other, .. } => Some(format!(
            "Finish {other} first, or run `crossfade rollback {other}`."
        )),
        _ => None,
    }
}
