//! The tokens of an expression, without white space and comments.

use squawk_lexer::{TokenKind, tokenize};

/// A token that stands for something.
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
}

/// All of them, in order.
pub(crate) fn of(expression: &str) -> Vec<Token<'_>> {
    let mut start = 0;
    tokenize(expression)
        .filter_map(|token| {
            let end = start + token.len as usize;
            let found = Token {
                kind: token.kind,
                text: expression.get(start..end)?,
                start,
            };
            start = end;
            let blank = matches!(
                token.kind,
                TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. }
            );
            (!blank).then_some(found)
        })
        .collect()
}
