//! The documented exit codes.

use std::process::ExitCode;

/// How a command ended. The order is the precedence: where several apply, the first is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// A broken invariant, or an answer of the server that nobody expected.
    Internal,
    /// A command line, settings or a plan that is not valid.
    Usage,
    /// Another runner has the lease.
    Lease,
    /// The data: mismatches, rows that cannot be copied, a way back that would lose writes.
    Data,
    /// A gate is shut: privilege, authentication, preflight, drift.
    Gate,
    /// Waits for people or time: approval, hold, soak.
    Waiting,
    /// Passes by itself: no server, no lock, no connection.
    Retryable,
    /// Stopped cleanly, as it was told to; there is work left.
    Stopped,
    /// Done.
    Done,
}

impl Exit {
    /// The number that the operating system is told.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Lease => 4,
            Self::Data => 6,
            Self::Gate => 7,
            Self::Waiting => 5,
            Self::Retryable => 8,
            Self::Stopped => 3,
            Self::Done => 0,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_is_the_documented_one() {
        let mut all = [
            Exit::Done,
            Exit::Stopped,
            Exit::Retryable,
            Exit::Waiting,
            Exit::Gate,
            Exit::Data,
            Exit::Lease,
            Exit::Usage,
            Exit::Internal,
        ]
        .to_vec();
        all.sort();
        let codes: Vec<u8> = all.into_iter().map(Exit::code).collect();
        assert_eq!(codes, [1, 2, 4, 6, 7, 5, 8, 3, 0]);
    }
}
