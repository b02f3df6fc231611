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

/// Functions of text search that take the session's configuration where none is given, and how
/// many arguments they have without one.
const SEARCHES: [(&str, usize); 8] = [
    ("to_tsvector", 1),
    ("json_to_tsvector", 2),
    ("jsonb_to_tsvector", 2),
    ("to_tsquery", 1),
    ("plainto_tsquery", 1),
    ("phraseto_tsquery", 1),
    ("websearch_to_tsquery", 1),
    ("ts_headline", 2),
];

/// Whether the expression names one of them.
pub(crate) fn is_read_by(expression: &str) -> bool {
    let tokens = tokens::of(expression);
    let word = |token: &Token<'_>| WORDS.iter().any(|word| is(token, word));
    tokens.iter().any(word)
        || calls(&tokens).any(|(name, arguments)| {
            FUNCTIONS.iter().any(|function| is(name, function))
                || (is(name, "age") && count(arguments) == 1)
        })
}

/// Whether the expression searches text by the session's configuration. (`ts_headline` of three
/// arguments may do so too: with options instead of a configuration.)
pub(crate) fn searches_by_default(expression: &str) -> bool {
    let tokens = tokens::of(expression);
    calls(&tokens).any(|(name, arguments)| {
        SEARCHES
            .iter()
            .any(|(function, without)| is(name, function) && count(arguments) == *without)
    })
}

fn is(token: &Token<'_>, name: &str) -> bool {
    token.kind == TokenKind::Ident && token.text.eq_ignore_ascii_case(name)
}

/// What is called, and the tokens from behind the call's parenthesis on.
fn calls<'t, 's>(
    tokens: &'t [Token<'s>],
) -> impl Iterator<Item = (&'t Token<'s>, &'t [Token<'s>])> {
    tokens
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[1].kind == TokenKind::OpenParen)
        .map(|(at, pair)| (&pair[0], &tokens[at + 2..]))
}

/// How many arguments a call has, from behind its parenthesis.
fn count(tokens: &[Token<'_>]) -> usize {
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

    #[test]
    fn a_search_without_a_configuration_is_told_from_one_with_it() {
        for expression in [
            "to_tsvector(note)",
            "setweight(pg_catalog.to_tsvector(coalesce(a, b)), 'A')",
            "ts_headline(note, q)",
        ] {
            assert!(searches_by_default(expression), "{expression}");
        }
        for expression in [
            "to_tsvector('english', note)",
            "to_tsvector",
            "my_to_tsvector(note)",
            "ts_headline('simple', note, q)",
        ] {
            assert!(!searches_by_default(expression), "{expression}");
        }
    }
}
