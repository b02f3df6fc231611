//! Every error that a user can meet: its stable code, what happened, in which state the database
//! is, and what to do next.

use crate::exit::Exit;

/// What the registry knows of one code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// The stable code: `E0005`.
    pub(crate) code: &'static str,
    /// What happened, in a few words.
    pub(crate) title: &'static str,
    /// In which state the database is now.
    pub(crate) state: &'static str,
    /// What to do next, where the error itself says nothing better.
    pub(crate) next: &'static str,
    /// How the command ends.
    pub(crate) exit: Exit,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $exit:ident,
        title: $title:literal,
        state: $state:expr,
        next: $next:literal;)+) => {
        /// A stable error code. A code is never given to another error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// Every code.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What is known of it.
            pub(crate) fn page(self) -> Page {
                match self {
                    $(Self::$variant => Page {
                        code: $code,
                        title: $title,
                        state: $state,
                        next: $next,
                        exit: Exit::$exit,
                    },)+
                }
            }
        }
    };
}

const UNTOUCHED: &str = "Nothing was changed.";
const NO_CONNECTION: &str = "Nothing was changed by this command: it had no connection.";
const ROLLED_BACK: &str = "What this command began was rolled back; earlier work stands.";

codes! {
    Internal = "E0001", Internal,
        title: "internal error",
        state: ROLLED_BACK,
        next: "Run the command again with -vv and report what it prints; no row value is in it.";
    CommandLine = "E0002", Usage,
        title: "the command line is not valid",
        state: UNTOUCHED,
        next: "Correct the command line; --help describes it.";
    SettingsFile = "E0003", Usage,
        title: "a setting is not valid",
        state: UNTOUCHED,
        next: "Correct the setting at the place named.";
    PlanFileUnreadable = "E0004", Usage,
        title: "the plan file cannot be read",
        state: UNTOUCHED,
        next: "Name a text file, or - for standard input.";
    PlanFileSyntax = "E0005", Usage,
        title: "the plan file is no YAML",
        state: UNTOUCHED,
        next: "Correct the plan file at the place named.";
    PlanFileFormat = "E0006", Usage,
        title: "the plan file has another form than plan files have",
        state: UNTOUCHED,
        next: "Correct the plan file; `crossfade schema` prints what it may hold.";
    PlanFileInvalid = "E0007", Usage,
        title: "the plan file asks for something that cannot be meant",
        state: UNTOUCHED,
        next: "Correct the plan file at the place named.";
    NotSupportedYet = "E0008", Usage,
        title: "the plan file asks for something that is not supported yet",
        state: UNTOUCHED,
        next: "Leave it out, or reach the same by other operations.";
    OutputFile = "E0009", Usage,
        title: "the output cannot be written",
        state: UNTOUCHED,
        next: "Name a file in a directory that exists and can be written.";
    ConnectionSettings = "E0010", Usage,
        title: "the connection settings are not valid",
        state: UNTOUCHED,
        next: "Correct the setting at the place named.";
    UnknownMigration = "E0011", Usage,
        title: "no such migration",
        state: UNTOUCHED,
        next: "`crossfade list` shows the migrations of this database.";
    StateNewer = "E0012", Usage,
        title: "the state schema was made by a newer version",
        state: UNTOUCHED,
        next: "Use the version of crossfade that made it, or a later one.";
    StateOlder = "E0013", Usage,
        title: "the state schema was made by an older version",
        state: UNTOUCHED,
        next: "Upgrade it with `crossfade init`.";
    StateTaken = "E0014", Usage,
        title: "the state schema is used by something else",
        state: UNTOUCHED,
        next: "Name another schema by --state-schema.";
    PlanMisfit = "E0015", Usage,
        title: "the plan does not fit the database",
        state: UNTOUCHED,
        next: "Correct the plan file at the place named, or the table.";
    Unreachable = "E0020", Retryable,
        title: "the server cannot be reached",
        state: NO_CONNECTION,
        next: "Check host, port and that the server runs; then run the command again.";
    Authentication = "E0021", Gate,
        title: "the server refused role or password",
        state: NO_CONNECTION,
        next: "Check user and password: --database-url, PGPASSWORD, the password file, or --password-cmd.";
    Tls = "E0022", Gate,
        title: "no trusted TLS connection",
        state: NO_CONNECTION,
        next: "Check sslmode and sslrootcert against what the server offers.";
    PasswordCommand = "E0023", Gate,
        title: "the password command gave no password",
        state: NO_CONNECTION,
        next: "Run the command by hand: its first line must be the password.";
    PasswordCommandFailed = "E0024", Retryable,
        title: "the password command failed",
        state: NO_CONNECTION,
        next: "Run the command by hand; once it works, run this one again.";
    ConnectionRefused = "E0025", Gate,
        title: "the server refused the connection",
        state: NO_CONNECTION,
        next: "Check the name of the database and the role's privilege to connect.";
    NoConnectionFree = "E0026", Retryable,
        title: "no connection is free",
        state: NO_CONNECTION,
        next: "Run the command again once others have closed theirs, or raise the limit.";
    PlanChanged = "E0027", Gate,
        title: "another plan is registered under that name now",
        state: UNTOUCHED,
        next: "Read the plan that is registered, and run the command again.";
    Privilege = "E0030", Gate,
        title: "the role lacks a privilege",
        state: ROLLED_BACK,
        next: "`crossfade grants` prints what the role needs.";
    Passing = "E0031", Retryable,
        title: "the server could not do it now",
        state: ROLLED_BACK,
        next: "Run the command again.";
    ConnectionLost = "E0032", Retryable,
        title: "the connection was lost",
        state: "What was not committed is rolled back; whether the last change was, `crossfade status` shows.",
        next: "Run the command again: it continues from what was committed.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_given_once() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.page().code).collect();
        assert_eq!(codes.len(), Code::ALL.len());
    }

    #[test]
    fn every_page_is_made_of_sentences() {
        for code in Code::ALL {
            let page = code.page();
            assert!(page.title.starts_with(char::is_lowercase), "{}", page.code);
            for text in [page.state, page.next] {
                assert!(text.ends_with('.'), "{}: {text}", page.code);
            }
        }
    }
}
