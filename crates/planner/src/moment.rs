//! Whether an expression of a plan file reads the moment or the session in which it is evaluated.
//!
//! PostgreSQL calls such functions stable: within one statement they give one value. Between the
//! copy, the trigger and the comparison they give different ones, like volatile functions. Only
//! the words themselves are looked for; what a user's own function does inside is not seen.

use squawk_lexer::TokenKind;

use crate::tokens::{self, Token};

/// Keywords that need no parentheses.
const WORDS: [&str; 10] = [
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "current_user",
    "current_role",
    "session_user",
    "current_schema",
    "current_catalog",
];

/// Functions, by their bare names.
const FUNCTIONS: [&str; 17] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_setting",
    "current_schemas",
    "current_database",
    "current_query",
    "pg_backend_pid",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_current_snapshot",
    "txid_current",
    "txid_current_if_assigned",
    "txid_current_snapshot",
    "inet_client_addr",
    "inet_client_port",
    "pg_trigger_depth",
];

/// Whether the expression names one of them.
pub(crate) fn is_read_by(expression: &str) -> bool {
    let tokens = tokens::of(expression);
    tokens.iter().enumerate().any(|(at, token)| {
        let is =
            |name: &str| token.kind == TokenKind::Ident && token.text.eq_ignore_ascii_case(name);
        let is_call = matches!(tokens.get(at + 1), Some(next) if next.kind == TokenKind::OpenParen);
        WORDS.iter().any(|word| is(word))
            || (is_call && FUNCTIONS.iter().any(|function| is(function)))
            || (is_call && is("age") && arguments(&tokens[at + 2..]) == 1)
    })
}

/// How many arguments a call has, from behind its parenthesis.
fn arguments(tokens: &[Token<'_>]) -> usize {
    let (mut depth, mut commas) = (1, 0);
    for token in tokens {
        match token.kind {
            TokenKind::OpenParen => depth += 1,
            TokenKind::CloseParen => depth -= 1,
            TokenKind::Comma if depth == 1 => commas += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    commas + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_the_moment_is_told_from_what_is_called_alike() {
        for expression in [
            "now()",
            "pg_catalog.now() - created_at",
            "CURRENT_DATE - born",
            "coalesce(at, NOW ( ))",
            "extract(year from age(born))",
            "current_setting('app.tenant')",
        ] {
            assert!(is_read_by(expression), "{expression}");
        }
        for expression in [
            "now",
            "age(died, born)",
            "age",
            "'now()'",
            "\"current_date\"",
            "a -- now()",
            "knows(a)",
        ] {
            assert!(!is_read_by(expression), "{expression}");
        }
    }
}
