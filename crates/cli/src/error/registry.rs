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
const OWN_SERVER: &str = "No database but the demo's own was touched.";
const ROLLED_BACK: &str = "What this command began was rolled back; earlier work stands.";
const KEPT: &str = "What was done before stands, and writes keep reaching both sides.";
const GATE_STAYS: &str = "The tables are not swapped; writes keep reaching both sides.";
const TRIED: &str = "Each attempt was rolled back and let its locks go; earlier work stands.";

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
    PlanEdited = "E0016", Usage,
        title: "the plan file was edited after it was registered",
        state: UNTOUCHED,
        next: "Put the plan file back as it was; or `crossfade rollback` the migration, then `crossfade expand` with the new file.";
    TableTaken = "E0017", Usage,
        title: "another migration works on the table",
        state: UNTOUCHED,
        next: "Finish that migration first, or `crossfade rollback` it.";
    NotConfirmed = "E0018", Usage,
        title: "what cannot be undone was not confirmed",
        state: UNTOUCHED,
        next: "Run the command again with --yes if that is what you want.";
    PlanDocument = "E0019", Usage,
        title: "the file holds no execution plan",
        state: UNTOUCHED,
        next: "Name a file that `crossfade plan --out` of this version has written.";
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
    Standby = "E0033", Retryable,
        title: "the server is a standby",
        state: ROLLED_BACK,
        next: "Connect to the primary (target_session_attrs=read-write finds it), then run the command again.";
    LeaseHeld = "E0040", Lease,
        title: "another runner works on the migration",
        state: "Nothing was changed by this command; the other runner goes on.",
        next: "Let it finish, or stop it; `crossfade status` shows how far it is.";
    FencedOut = "E0041", Lease,
        title: "the lease was lost to another runner",
        state: "What was not committed is rolled back; the other runner goes on from what was.",
        next: "Let the other runner finish; if this one was only cut off for long, run the command again.";
    TakeoverBlocked = "E0042", Retryable,
        title: "a transaction of the last runner is still open",
        state: "Nothing was changed by this command.",
        next: "Run the command again once the server has noticed that the last runner is gone, or end its sessions.";
    TooEarly = "E0043", Gate,
        title: "an earlier stage comes first",
        state: UNTOUCHED,
        next: "`crossfade status` names the next step.";
    TooLate = "E0044", Gate,
        title: "the migration is past that",
        state: UNTOUCHED,
        next: "`crossfade status` shows where it stands.";
    OutOfOrder = "E0045", Gate,
        title: "the stage changed meanwhile and does not allow it any more",
        state: ROLLED_BACK,
        next: "`crossfade status` shows where it stands and names the next step.";
    AlteredSince = "E0046", Data,
        title: "going back would lose changes of the table",
        state: "Nothing was changed by this command; the new side serves on.",
        next: "Make these changes again on the old side after the rollback; `crossfade rollback --accept-loss` goes back without them.";
    Hanging = "E0047", Gate,
        title: "something depends on what is to be dropped",
        state: "Nothing was dropped; the table serves on as it did.",
        next: "Drop it, or move it to another table; then run the command again.";
    EventTrigger = "E0048", Gate,
        title: "an event trigger refused what was to be done",
        state: ROLLED_BACK,
        next: "Let it allow that, or disable it for the time (alter event trigger ... disable); then run the command again.";
    Preflight = "E0050", Gate,
        title: "preflight did not pass",
        state: UNTOUCHED,
        next: "Mend what is named, then run the command again.";
    HazardsNotAccepted = "E0051", Gate,
        title: "hazards of the plan are not accepted",
        state: UNTOUCHED,
        next: "Read `crossfade plan`, and accept each by --allow-hazard if that is what you want.";
    Drift = "E0052", Gate,
        title: "the schema is not what the plan was made for",
        state: "No row was changed by this command. If both sides had been proved to be equal, that is void, and the stage is backfilled.",
        next: "Put the schema back as it was, or make a new plan.";
    NotTheReviewedPlan = "E0053", Gate,
        title: "the reviewed plan is not what the plan file comes to",
        state: UNTOUCHED,
        next: "Run `crossfade plan --out` with this plan file and this version, and have that reviewed.";
    Gap = "E0054", Gate,
        title: "dual-write had a gap",
        state: "No row was changed by this command; writes may have passed one side by. If both sides had been proved to be equal, that is void, and the stage is backfilled.",
        next: "A trigger that is there and only disabled: `alter table ... enable always trigger ...` with its name, then this command again, and `crossfade verify` finds what it missed. One that is gone or does something else takes `crossfade rollback` and a new start.";
    GateShut = "E0055", Gate,
        title: "what the cutover needs is not proved",
        state: GATE_STAYS,
        next: "`crossfade verify`: only a full one without a difference opens the gate.";
    WaitingForPeople = "E0056", Waiting,
        title: "the cutover or contract waits for people",
        state: "Nothing was changed by this command; writes keep reaching both sides.",
        next: "`crossfade unhold` or `crossfade approve`, by those who may.";
    Soaking = "E0057", Waiting,
        title: "the soak time is not over",
        state: "Nothing was changed by this command; the way back stays open.",
        next: "Run the command again when it is over.";
    Inconclusive = "E0058", Gate,
        title: "the verification proves nothing",
        state: KEPT,
        next: "Remove the reason that is named, then verify again.";
    NameTaken = "E0059", Gate,
        title: "a name that the plan needs is taken",
        state: ROLLED_BACK,
        next: "Rename or drop what bears it, then run the command again.";
    TooManyRowErrors = "E0060", Data,
        title: "more rows cannot be copied than the plan allows",
        state: KEPT,
        next: "Read the state's table row_error and mend these rows; the next backfill tries them first.";
    RowErrorsLeft = "E0061", Data,
        title: "rows could not be copied",
        state: KEPT,
        next: "Read the state's table row_error and mend these rows; the next backfill tries them first.";
    Mismatch = "E0062", Data,
        title: "both sides differ",
        state: "The rows that differ are recorded by key. Before the cutover its gate is shut; after it, the way back would bring what the old side has.",
        next: "Find out who wrote them past the triggers; `crossfade verify --repair` makes the side that follows what the written one is.";
    WindowClosed = "E0063", Data,
        title: "going back would lose writes",
        state: "Nothing was changed by this command; the new side serves on.",
        next: "`crossfade rollback --accept-loss` goes back without them.";
    RowsRefused = "E0064", Data,
        title: "rows do not meet a constraint of the target",
        state: ROLLED_BACK,
        next: "Mend the rows that do not meet it, then run the command again.";
    SelfTestFailed = "E0065", Gate,
        title: "the comparison did not see a difference that it was shown",
        state: "What was changed for the test was rolled back.",
        next: "Trust no verdict of this server's: check its indexes with amcheck, and report it.";
    VerificationVoided = "E0066", Retryable,
        title: "something voided the verification while it ran",
        state: KEPT,
        next: "Verify again.";
    TableGone = "E0067", Gate,
        title: "a table of the migration is gone or was altered",
        state: ROLLED_BACK,
        next: "Find out who changed it; `crossfade rollback` takes away what is left of ours.";
    PlanShape = "E0068", Gate,
        title: "the server would read far more than a chunk",
        state: KEPT,
        next: "Analyze the table and check the server's planner settings, then run the command again.";
    TableFunction = "E0069", Gate,
        title: "a function of the table's own failed on the other side",
        state: ROLLED_BACK,
        next: "Give the function what it needs in any session (alter function ... set search_path), then run the command again.";
    LockNotGranted = "E0070", Retryable,
        title: "the locks were not granted in time",
        state: TRIED,
        next: "Run the command again at a quieter time, or with a longer --max-wait.";
    TablesInUse = "E0071", Retryable,
        title: "transactions hold the tables for long",
        state: "Nothing was locked, and nobody had to wait; earlier work stands.",
        next: "End those transactions, or run the command again later.";
    HorizonHeld = "E0072", Retryable,
        title: "transactions still see the table as it was before the copy",
        state: KEPT,
        next: "End those transactions, or run the command again later: it goes on here.";
    RowsHeld = "E0073", Retryable,
        title: "rows stay locked by other transactions",
        state: KEPT,
        next: "End those transactions, or run the command again later: it goes on here.";
    GaveUp = "E0074", Retryable,
        title: "passing failures did not pass in time",
        state: KEPT,
        next: "Run the command again: it goes on from what was committed.";
    StillBuilding = "E0075", Retryable,
        title: "an index build of an earlier runner is still running",
        state: KEPT,
        next: "Run the command again later: it takes the index over once it is built.";
    DemoServer = "E0090", Gate,
        title: "no private PostgreSQL can be started here",
        state: UNTOUCHED,
        next: "Correct what is named, then run `crossfade demo` again.";
    DemoBroken = "E0091", Internal,
        title: "the demo could not be played to its end",
        state: OWN_SERVER,
        next: "Run `crossfade demo --keep` to look at what is left.";
    DemoLoss = "E0092", Data,
        title: "the demo has lost something",
        state: OWN_SERVER,
        next: "This should never be: run `crossfade demo --keep` to look at it, and report it.";
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
