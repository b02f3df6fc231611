//! Errors of statements.

use crossfade_postgres::{CommitError, ErrorClass, QueryError};

use super::{Code, Failure};

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let failure = Self::of(of(&error), &error);
        match error.hint() {
            Some(hint) => failure.next(hint),
            None => failure,
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        let code = match &error {
            CommitError::Unknown(_) => Code::ConnectionLost,
            CommitError::Refused(source) => of(source),
            _ => Code::Internal,
        };
        Self::of(code, &error)
    }
}

/// The code of a statement's error.
fn of(error: &QueryError) -> Code {
    if error.is_of_standby() {
        return Code::Standby;
    }
    of_class(error.class())
}

pub(super) fn of_class(class: ErrorClass) -> Code {
    match class {
        ErrorClass::Retry => Code::Passing,
        ErrorClass::Reconnect => Code::ConnectionLost,
        ErrorClass::Privilege => Code::Privilege,
        // A value that a statement of ours was refused is a defect of ours as well.
        ErrorClass::Row | ErrorClass::Unknown => Code::Internal,
    }
}
