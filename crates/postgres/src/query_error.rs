//! The error of one statement, without what PostgreSQL says about the values of a row.

use std::fmt;

use tokio_postgres::error::{ErrorPosition, SqlState};

use crate::sqlstate::{ErrorClass, classify, is_of_code, message_is_free_of_values};

/// Why a statement failed.
///
/// `Display` shows the SQLSTATE and the names that the server gave, and its message only for
/// SQLSTATEs that are known to be free of row values.
#[derive(Debug)]
pub struct QueryError(Box<Details>);

#[derive(Debug)]
struct Details {
    sqlstate: Option<SqlState>,
    message: Option<String>,
    hint: Option<String>,
    position: Option<u32>,
    table: Option<String>,
    column: Option<String>,
    constraint: Option<String>,
    // Where it came up, if inside of functions.
    context: Option<Place>,
    // Whether the server takes no writes at all.
    standby: bool,
    // Never the driver's error for a server's error: its text has message and DETAIL in it.
    transport: Option<tokio_postgres::Error>,
}

/// The server's CONTEXT. It quotes statements, and what they hold is shown nowhere.
struct Place(String);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

impl QueryError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match &self.0.sqlstate {
            // After a failover the address may be that of the new primary.
            Some(_) if self.0.standby => ErrorClass::Reconnect,
            Some(state) => classify(state),
            None if self.is_transport() => ErrorClass::Reconnect,
            None => ErrorClass::Unknown,
        }
    }

    /// The server's SQLSTATE; `None` where no answer came.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        self.0.sqlstate.as_ref()
    }

    /// Whether the server answered with this SQLSTATE.
    pub fn is(&self, state: &SqlState) -> bool {
        self.0.sqlstate.as_ref() == Some(state)
    }

    /// The server's message, where it is free of row values.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The server's hint, where its message is free of row values.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where in the statement, as characters counted from 1.
    pub fn position(&self) -> Option<u32> {
        self.0.position
    }

    /// The column that the server named.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// The constraint that the server named.
    pub fn constraint(&self) -> Option<&str> {
        self.0.constraint.as_deref()
    }

    /// Whether a function that the statement ran has failed for a reason of its own: a name that
    /// it does not find, or what it raises.
    pub fn is_of_called_function(&self) -> bool {
        let in_function =
            (self.0.context.as_ref()).is_some_and(|place| !place.0.contains("inline_code_block"));
        in_function && self.sqlstate().is_some_and(is_of_code)
    }

    /// Whether it came up in a function of this name, or in what that one runs.
    pub fn came_up_in(&self, function: &str) -> bool {
        // As PL/pgSQL writes it, without and with quotes, and as other languages do.
        let written = [
            format!("{function}("),
            format!("{function}\"("),
            format!("\"{function}\""),
        ];
        (self.0.context.as_ref())
            .is_some_and(|place| written.iter().any(|name| place.0.contains(name)))
    }

    /// Whether the server is a standby, which takes no writes.
    pub fn is_of_standby(&self) -> bool {
        self.0.standby
    }

    /// The same error, of a server that is known to be a standby.
    pub(crate) fn of_standby(mut self) -> Self {
        self.0.standby = true;
        self
    }

    /// The same error, placed in the statement without the first `characters` of what was sent.
    pub(crate) fn without_prefix(mut self, characters: usize) -> Self {
        let characters = u32::try_from(characters).unwrap_or(u32::MAX);
        self.0.position = self
            .0
            .position
            .and_then(|at| at.checked_sub(characters))
            .filter(|at| *at > 0);
        self
    }

    fn is_transport(&self) -> bool {
        // What is neither the server's answer nor a broken wire is a misuse of the driver (a
        // wrong type of a parameter): connecting anew would only repeat it.
        self.0.transport.as_ref().is_some_and(|error| {
            let broken_wire = std::error::Error::source(error)
                .is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
            error.is_closed() || broken_wire
        })
    }
}

impl From<tokio_postgres::Error> for QueryError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self(Box::new(Details {
                sqlstate: None,
                message: None,
                hint: None,
                position: None,
                table: None,
                column: None,
                constraint: None,
                context: None,
                standby: false,
                transport: Some(error),
            }));
        };
        let free = message_is_free_of_values(db.code());
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self(Box::new(Details {
            sqlstate: Some(db.code().clone()),
            message: if crate::rule::holds("postgres/no-row-values") {
                free.then(|| db.message().to_owned())
            } else {
                // With DETAIL and all.
                Some(db.to_string())
            },
            hint: if free { owned(db.hint()) } else { None },
            position: match db.position() {
                Some(ErrorPosition::Original(at)) => Some(*at),
                _ => None,
            },
            table: owned(db.table()),
            column: owned(db.column()),
            constraint: owned(db.constraint()),
            context: db.where_().map(|place| Place(place.to_owned())),
            standby: false,
            transport: None,
        }))
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            sqlstate,
            message,
            table,
            column,
            constraint,
            ..
        } = &*self.0;
        if self.0.standby {
            f.write_str("the server is a standby, which takes no writes: ")?;
        }
        let Some(state) = sqlstate else {
            return f.write_str(if self.is_transport() {
                "the connection to the server was lost"
            } else {
                "the driver could not send the statement or read its answer"
            });
        };
        match message {
            Some(message) => write!(f, "{message} (SQLSTATE {})", state.code())?,
            None => write!(f, "the server refused a value (SQLSTATE {})", state.code())?,
        }
        for (kind, name) in [
            ("table", table),
            ("column", column),
            ("constraint", constraint),
        ] {
            if let Some(name) = name {
                write!(f, ", {kind} {name:?}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for QueryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.transport.as_ref().map(|error| error as _)
    }
}
