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

/// Built-in types of numbers and truth values, in both spellings. They are written and read in one
/// way, except those of floating point, whose text has more or fewer digits.
const NUMBERS: [&str; 13] = [
    "int2", "int4", "int8", "smallint", "integer", "int", "bigint", "numeric", "decimal", "float4",
    "float8", "bool", "boolean",
];
const FLOATS: [&str; 2] = ["float4", "float8"];

/// Built-in types of text, in both spellings.
const TEXTS: [&str; 2] = ["text", "varchar"];

/// Words of an expression that call no function of anybody's.
const WORDS: [&str; 20] = [
    "and", "or", "not", "true", "false", "case", "when", "then", "else", "end", "coalesce",
    "greatest", "least", "nullif", "null", "is", "from", "for", "in", "like",
];

/// PostgreSQL's own functions that make numbers and texts of numbers and texts, all IMMUTABLE.
const FUNCTIONS: [&str; 33] = [
    "abs",
    "ascii",
    "btrim",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "chr",
    "floor",
    "initcap",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "mod",
    "octet_length",
    "position",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "translate",
    "upper",
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
            (is_one_of(from, &NUMBERS) && is_one_of(to, &NUMBERS))
                || (to.builtin() == Some("inet") && casts::totality(from, to) == Totality::Total)
        }),
        Value::Expression(text) => {
            let of_type = |types: &[&str]| -> Vec<&Ident> {
                (columns.iter())
                    .filter(|(_, column_type)| is_one_of(column_type, types))
                    .map(|(name, _)| name)
                    .collect()
            };
            let exact: Vec<&str> = (NUMBERS.into_iter())
                .filter(|name| !FLOATS.contains(name))
                .collect();
            let plain = [&exact[..], &TEXTS].concat();
            (is_one_of(to, &NUMBERS) && is_made_of(text, &NUMBERS, &of_type(&NUMBERS)))
                || (is_one_of(to, &plain) && is_made_of(text, &plain, &of_type(&plain)))
        }
    };
    if free {
        SessionDependence::Free
    } else {
        SessionDependence::Dependent
    }
}

fn is_one_of(column_type: &ColumnType, types: &[&str]) -> bool {
    let builtin = column_type.builtin();
    builtin.is_some_and(|name| types.contains(&name))
}

/// Whether the expression is made of nothing but values of some types: of columns of them, literals,
/// operators, PostgreSQL's own functions, and casts between them.
fn is_made_of(expression: &str, types: &[&str], columns: &[&Ident]) -> bool {
    let has_text = types.iter().any(|name| TEXTS.contains(name));
    let tokens = tokens::of(expression);
    // `= null` depends on a setting, wherever the parentheses are.
    let has_null = |token: &Token<'_>| token.text.eq_ignore_ascii_case("null");
    let has_equals = |token: &Token<'_>| token.kind == TokenKind::Eq;
    if tokens.iter().any(has_null) && tokens.iter().any(has_equals) {
        return false;
    }
    tokens.iter().enumerate().all(|(at, token)| {
        let called = matches!(tokens.get(at + 1), Some(next) if next.kind == TokenKind::OpenParen);
        match token.kind {
            TokenKind::Literal { .. } => {
                token.text.starts_with(|first: char| first.is_ascii_digit())
                    // A backslash means one thing or another.
                    || (has_text && token.text.starts_with('\'') && !token.text.contains('\\'))
            }
            TokenKind::Ident => {
                let lower = token.text.to_ascii_lowercase();
                let is_word = WORDS.contains(&lower.as_str());
                if at > 0 && tokens[at - 1].kind == TokenKind::Colon {
                    types.contains(&lower.as_str()) && !called
                } else if called && !is_word {
                    has_text && FUNCTIONS.contains(&lower.as_str())
                } else {
                    is_word || names(token, columns)
                }
            }
            TokenKind::QuotedIdent { .. } => !called && names(token, columns),
            TokenKind::Or => has_text,
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

    fn idents(names: &[&str]) -> Vec<Ident> {
        let idents = names.iter().map(|name| Ident::new(*name).expect("a name"));
        idents.collect()
    }

    #[test]
    fn arithmetic_over_numbers_is_told_from_everything_else() {
        let names = idents(&["score", "Big Number", "zone"]);
        let numbers: Vec<&Ident> = names.iter().collect();
        let is_arithmetic = |expression| is_made_of(expression, &NUMBERS, &numbers);
        for expression in [
            "score / 10",
            "(SCORE + 1) * -2.5e3 -- twice",
            "coalesce(\"Big Number\", 0) % 7",
            "score::bigint * 100",
            "case when score > 3 and not zone <> 4 then 1 else 0 end",
            "case when score is null then 0 end",
        ] {
            assert!(is_arithmetic(expression), "{expression}");
        }
        for expression in [
            "score || ''",
            "score(1)",
            "\"score\"(1)",
            "other + 1",
            "score = null",
            "score = (null)",
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
            assert!(!is_arithmetic(expression), "{expression}");
        }
    }

    #[test]
    fn text_is_free_where_no_setting_changes_how_it_reads() {
        let names = idents(&["name", "score", "Full Name"]);
        let columns: Vec<&Ident> = names.iter().collect();
        let types = ["text", "varchar", "integer"];
        let is_free = |expression| is_made_of(expression, &types, &columns);
        for expression in [
            "split_part(name, ' ', 1)",
            "nullif(substr(name, length(split_part(name, ' ', 1)) + 2), '')",
            "name || coalesce(' ' || score, '')",
            "upper(\"Full Name\"::text)",
            "substring(name from 2 for 3)",
            "case when name is null then 'it''s' end",
            "position('@' in name) > 0",
        ] {
            assert!(is_free(expression), "{expression}");
        }
        for expression in [
            "replace(name, '\\', '/')",
            "E'a' || name",
            "U&'a' || name",
            "name || now()",
            "to_char(score, '9')",
            "name::date",
            "name::varchar(3)",
            "date '2020-01-01' < name",
            "concat(name, score)",
            "public.lower(name)",
            "lower (name).x",
            "case when name = null then 'a' end",
            "name like any (array['a'])",
            "(select name)",
            "extract(year from name)",
        ] {
            assert!(!is_free(expression), "{expression}");
        }
    }

    #[test]
    fn floating_point_reads_as_the_session_says() {
        let builtin = |name: &str| ColumnType::builtin_of(name, name);
        let of = |expression: &str, read: &str, to: &str| {
            let columns = [(Ident::new("v").expect("a name"), builtin(read))];
            let value = Value::Expression(expression.to_owned());
            super::of(&value, None, &builtin(to), &columns)
        };
        assert_eq!(of("'a' || v", "int4", "text"), SessionDependence::Free);
        assert_eq!(
            of("'a' || v", "float8", "text"),
            SessionDependence::Dependent
        );
        assert_eq!(of("v * 2", "float8", "float8"), SessionDependence::Free);
        assert_eq!(of("v", "text", "date"), SessionDependence::Dependent);
    }
}
