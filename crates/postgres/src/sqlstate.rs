//! SQLSTATEs: what an error means for the work that met it, and whether its text may be shown.

use tokio_postgres::error::SqlState;

/// What the one who sent a statement should do about its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Lock timeout, serialization failure, deadlock, our own statement timeout: the same work
    /// again after a pause, in smaller pieces.
    Retry,
    /// The connection or the server went away, or there is no room for one more: connect anew,
    /// prove that the lease, the triggers and the table are what they were, go on.
    Reconnect,
    /// A value that does not fit (22xxx, 23xxx), or a row or an index entry that is too large (54000):
    /// a matter of one row.
    Row,
    /// Authentication or a missing privilege.
    Privilege,
    /// Anything else: stop, keep everything.
    Unknown,
}

/// Sorts a SQLSTATE.
pub fn classify(state: &SqlState) -> ErrorClass {
    let code = state.code();
    match code {
        "55P03" | "40001" | "40P01" | "57014" => ErrorClass::Retry,
        // 25P03 and 57P05 are the timeouts by which the server ended an idle session of ours.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" | "25006" => {
            ErrorClass::Reconnect
        }
        "42501" => ErrorClass::Privilege,
        "54000" => ErrorClass::Row,
        _ => match code.get(..2) {
            Some("08") => ErrorClass::Reconnect,
            // P0 is what a function raises by itself, mostly for a row that it does not like.
            Some("22" | "23" | "P0") => ErrorClass::Row,
            Some("28") => ErrorClass::Privilege,
            _ => ErrorClass::Unknown,
        },
    }
}

/// Whether it tells of faulty code or of what code raises, not of values, locks or the server.
pub(crate) fn is_of_code(state: &SqlState) -> bool {
    state.code() != "42501"
        && matches!(
            state.code().get(..2),
            Some("38" | "39" | "3F" | "42" | "P0")
        )
}

/// Whether PostgreSQL's message for this SQLSTATE never holds a value of a row.
///
/// Data exceptions and constraint violations print the values that they refuse, and a `raise` in
/// a user's function prints anything: of those only SQLSTATE, constraint and column are shown.
pub(crate) fn message_is_free_of_values(state: &SqlState) -> bool {
    let code = state.code();
    matches!(
        code.get(..2),
        Some(
            "08" | "0A"
                | "25"
                | "28"
                | "2B"
                | "3D"
                | "3F"
                | "40"
                | "42"
                | "53"
                | "55"
                | "57"
                | "58"
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_the_failure_rules() {
        let cases = [
            ("55P03", ErrorClass::Retry),
            ("40P01", ErrorClass::Retry),
            ("57014", ErrorClass::Retry),
            ("57P01", ErrorClass::Reconnect),
            ("08006", ErrorClass::Reconnect),
            ("25006", ErrorClass::Reconnect),
            ("25P02", ErrorClass::Unknown),
            ("22003", ErrorClass::Row),
            ("23505", ErrorClass::Row),
            ("P0001", ErrorClass::Row),
            ("54000", ErrorClass::Row),
            ("54011", ErrorClass::Unknown),
            ("42501", ErrorClass::Privilege),
            ("28P01", ErrorClass::Privilege),
            ("XX000", ErrorClass::Unknown),
        ];
        for (code, expected) in cases {
            assert_eq!(classify(&SqlState::from_code(code)), expected, "{code}");
        }
    }

    #[test]
    fn texts_that_carry_values_are_kept_back() {
        for code in ["22P02", "22003", "23505", "23514", "P0001", "XX000"] {
            assert!(
                !message_is_free_of_values(&SqlState::from_code(code)),
                "{code}"
            );
        }
        for code in ["42P01", "55P03", "28P01", "42601"] {
            assert!(
                message_is_free_of_values(&SqlState::from_code(code)),
                "{code}"
            );
        }
    }
}
