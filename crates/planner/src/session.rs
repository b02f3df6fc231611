//! Whether a value is the same in each session, whatever its time zone, formats, or reading of
//! strings and NULL.
//!
//! Pinning the settings for what is not costs a write of one row about a tenth of its mirroring.
//! Only what is proved counts as free.

use crossfade_plan::Ident;
use crossfade_plan::mapping::{SessionDependence, Totality, Value};
use squawk_lexer::TokenKind;

use crate::casts;
use crate::column_type::ColumnType;
use crate::tokens::{self, Token};

/// Built-in types of numbers and truth values, in both spellings.
const NUMBERS: [&str; 13] = [
    "int2", "int4", "int8", "smallint", "integer", "int", "bigint", "numeric", "decimal", "float4",
    "float8", "bool", "boolean",
];

/// Words of an expression that call no function of anybody's.
const WORDS: [&str; 13] = [
    "and", "or", "not", "true", "false", "case", "when", "then", "else", "end", "coalesce",
    "greatest", "least",
];

/// Whether the value that becomes one of type `to` does. `from` is the column's type, where the
/// value is one column; `columns` are those that an expression may read.
pub(crate) fn of(
    value: &Value,
    from: Option<&ColumnType>,
    to: &ColumnType,
    columns: &[(Ident, ColumnType)],
) -> SessionDependence {
    let free = match value {
        Value::Column(_) => true,
        Value::Cast(_) => from.is_some_and(|from| {
            (is_number(from) && is_number(to))
                || (to.builtin() == Some("inet") && casts::totality(from, to) == Totality::Total)
        }),
        Value::Expression(text) => {
            let numbers: Vec<&Ident> = columns
                .iter()
                .filter(|(_, column_type)| is_number(column_type))
                .map(|(name, _)| name)
                .collect();
            is_number(to) && is_arithmetic(text, &numbers)
        }
    };
    if free {
        SessionDependence::Free
    } else {
        SessionDependence::Dependent
    }
}

fn is_number(column_type: &ColumnType) -> bool {
    let builtin = column_type.builtin();
    builtin.is_some_and(|name| NUMBERS.contains(&name))
}

/// Whether the expression only computes with numbers: with columns of numbers, literals, operators
/// and casts between numbers. (NULL is left out: `= null` depends on a setting.)
fn is_arithmetic(expression: &str, numbers: &[&Ident]) -> bool {
    let tokens = tokens::of(expression);
    tokens.iter().enumerate().all(|(at, token)| {
        let called = matches!(tokens.get(at + 1), Some(next) if next.kind == TokenKind::OpenParen);
        match token.kind {
            TokenKind::Literal { .. } => {
                token.text.starts_with(|first: char| first.is_ascii_digit())
            }
            TokenKind::Ident => {
                let lower = token.text.to_ascii_lowercase();
                let cast = at > 0 && tokens[at - 1].kind == TokenKind::Colon;
                if cast {
                    NUMBERS.contains(&lower.as_str()) && !called
                } else {
                    WORDS.contains(&lower.as_str()) || (!called && names(token, numbers))
                }
            }
            TokenKind::QuotedIdent { .. } => !called && names(token, numbers),
            TokenKind::OpenParen
            | TokenKind::CloseParen
            | TokenKind::Comma
            | TokenKind::Colon
            | TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::Percent
            | TokenKind::Caret
            | TokenKind::Lt
            | TokenKind::Gt
            | TokenKind::Eq => true,
            _ => false,
        }
    })
}

fn names(token: &Token<'_>, columns: &[&Ident]) -> bool {
    Ident::parse(token.text).is_ok_and(|name| columns.contains(&&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_over_numbers_is_told_from_everything_else() {
        let names = ["score", "Big Number", "zone"].map(|name| Ident::new(name).expect("a name"));
        let numbers: Vec<&Ident> = names.iter().collect();
        for expression in [
            "score / 10",
            "(SCORE + 1) * -2.5e3 -- twice",
            "coalesce(\"Big Number\", 0) % 7",
            "score::bigint * 100",
            "case when score > 3 and not zone <> 4 then 1 else 0 end",
        ] {
            assert!(is_arithmetic(expression, &numbers), "{expression}");
        }
        for expression in [
            "score || ''",
            "score(1)",
            "\"score\"(1)",
            "other + 1",
            "score = null",
            "'1' + score",
            "score::text",
            "score::money",
            "abs(score)",
            "public.score",
            "score operator(public.+) 1",
            "score at time zone zone",
            "$1 + score",
            "array[score]",
        ] {
            assert!(!is_arithmetic(expression, &numbers), "{expression}");
        }
    }
}
