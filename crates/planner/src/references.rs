//! Column names within expressions that the server printed: which ones there are, and how an
//! expression reads when columns have other names.
//!
//! Only for the server's own output (`pg_get_expr` and the like), where a column of the one table
//! is a bare identifier and everything else is qualified by `search_path`. A user's expression is
//! never rewritten. Where an identifier might be something else (a type, a field of EXTRACT, an
//! argument's name), nothing is guessed: the caller refuses.

use std::collections::BTreeMap;

use crossfade_plan::Ident;
use squawk_lexer::TokenKind;

use crate::tokens::{self, Token};

/// An identifier that bears a column's name but might be something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ambiguous(pub(crate) Ident);

/// Whether an identifier of this name may occur in the expression, as whatever.
pub(crate) fn mentions(expression: &str, name: &str) -> bool {
    tokens::of(expression).iter().any(|word| match word.kind {
        // Its name is not known before the escapes are read.
        TokenKind::QuotedIdent { uescape: true, .. } => true,
        _ => identifier(word).is_some_and(|found| found == name),
    })
}

/// The expression with columns under their new names.
pub(crate) fn renamed(
    expression: &str,
    names: &BTreeMap<Ident, Ident>,
) -> Result<String, Ambiguous> {
    let words = tokens::of(expression);
    let mut output = String::with_capacity(expression.len());
    let mut copied = 0;
    for (at, word) in words.iter().enumerate() {
        let Some((old, new)) =
            identifier(word).and_then(|name| names.iter().find(|(old, _)| old.as_str() == name))
        else {
            continue;
        };
        match role(&words, at) {
            Role::Column => {
                output.push_str(&expression[copied..word.start]);
                output.push_str(&new.to_string());
                copied = word.start + word.text.len();
            }
            Role::Function => {}
            Role::Unclear => return Err(Ambiguous(old.clone())),
        }
    }
    output.push_str(&expression[copied..]);
    Ok(output)
}

enum Role {
    Column,
    Function,
    Unclear,
}

fn role(words: &[Token<'_>], at: usize) -> Role {
    let text = |index: Option<usize>| {
        index
            .and_then(|index| words.get(index))
            .map_or("", |w| w.text)
    };
    let before = text(at.checked_sub(1));
    let before_that = text(at.checked_sub(2));
    let after = text(Some(at + 1));
    // `OPERATOR(schema.=)`, `COLLATE name`, `::type`, `a.b`, `name => value`, `type 'literal'`,
    // `EXTRACT(field FROM x)`, and the words of a type such as `timestamp without time zone`.
    let before_a_literal = words
        .get(at + 1)
        .is_some_and(|next| matches!(next.kind, TokenKind::Literal { .. }));
    let unclear = before == "."
        || after == "."
        || (before == ":" && before_that == ":")
        || before.eq_ignore_ascii_case("collate")
        || (before == "(" && before_that.eq_ignore_ascii_case("operator"))
        || (before == "(" && before_that.eq_ignore_ascii_case("extract"))
        || (after == "=" && text(Some(at + 2)) == ">")
        || before_a_literal
        || in_type_name(words, at);
    if unclear {
        Role::Unclear
    } else if after == "(" {
        Role::Function
    } else {
        Role::Column
    }
}

/// Whether only identifiers stand between a `::` and the word: `x::double precision`. The words
/// that may follow a type in an expression end it.
fn in_type_name(words: &[Token<'_>], at: usize) -> bool {
    const ENDS: [&str; 12] = [
        "and", "or", "then", "else", "end", "when", "is", "in", "like", "between", "collate", "not",
    ];
    let mut index = at;
    while let Some(previous) = index.checked_sub(1) {
        let word = &words[previous];
        if word.text == ":" {
            return previous
                .checked_sub(1)
                .is_some_and(|colon| words[colon].text == ":");
        }
        let ends = ENDS.iter().any(|end| word.text.eq_ignore_ascii_case(end));
        if ends || !matches!(word.kind, TokenKind::Ident) {
            return false;
        }
        index = previous;
    }
    false
}

fn identifier(word: &Token<'_>) -> Option<String> {
    match word.kind {
        TokenKind::Ident => Some(word.text.to_ascii_lowercase()),
        TokenKind::QuotedIdent { uescape: false, .. } => {
            let inner = word.text.strip_prefix('"')?.strip_suffix('"')?;
            Some(inner.replace("\"\"", "\""))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ident(name: &str) -> Ident {
        Ident::new(name).expect("a name")
    }

    fn rename(expression: &str) -> Result<String, Ambiguous> {
        let names = [
            (ident("id"), ident("Key")),
            (ident("Old Name"), ident("new")),
        ];
        renamed(expression, &names.into())
    }

    #[test]
    fn only_whole_identifiers_are_columns() {
        let cases = [
            ("(paid > id)", "(paid > \"Key\")"),
            (
                "((\"Old Name\" || 'id') || id)",
                "((\"new\" || 'id') || \"Key\")",
            ),
            ("id(id)", "id(\"Key\")"),
            (
                "((id)::text ~~ 'id%'::text)",
                "((\"Key\")::text ~~ 'id%'::text)",
            ),
            (
                "CASE WHEN (x IS NULL) THEN id ELSE 0 END",
                "CASE WHEN (x IS NULL) THEN \"Key\" ELSE 0 END",
            ),
            ("((0)::bigint < id)", "((0)::bigint < \"Key\")"),
        ];
        for (expression, expected) in cases {
            assert_eq!(rename(expression).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_might_not_be_a_column_is_not_guessed() {
        for expression in [
            "EXTRACT(id FROM at)",
            "(x)::id",
            "(x)::double id",
            "f(id => 1)",
            "(x COLLATE id)",
            "(composite).id",
            "id '1'",
        ] {
            assert_eq!(
                rename(expression),
                Err(Ambiguous(ident("id"))),
                "{expression}"
            );
        }
    }

    #[test]
    fn a_mention_is_found_as_it_is_stored() {
        assert!(mentions("ID + 1", "id"));
        assert!(mentions("\"Old Name\" || ''", "Old Name"));
        assert!(!mentions("'id' || paid", "id"));
        assert!(mentions("U&\"\\0069d\" + 1", "id"));
    }
}
