//! SQL names: the only way a name gets into a statement.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest identifier that PostgreSQL keeps (`NAMEDATALEN - 1`), in bytes.
pub const MAX_IDENT_BYTES: usize = 63;

/// Bytes of the original name that a shortened one keeps at most.
const KEPT_BYTES: usize = 50;

/// Why a text is no SQL name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing between the quotes, or an empty text.
    #[error("a name must not be empty")]
    Empty,
    /// A zero byte, which PostgreSQL cannot store.
    #[error("a name must not contain a zero byte")]
    ZeroByte,
    /// PostgreSQL would cut the name off, and two names could become one.
    #[error("the name is {bytes} bytes long, PostgreSQL keeps {MAX_IDENT_BYTES}")]
    TooLong {
        /// Length of the name in bytes.
        bytes: usize,
    },
    /// A character that SQL allows only between double quotes.
    #[error("{character:?} needs double quotes around the name, as in SQL")]
    NeedsQuotes {
        /// The first such character.
        character: char,
    },
    /// An opening double quote without its closing one.
    #[error("the double quote is not closed")]
    Unterminated,
    /// More than a schema and a name.
    #[error("expected NAME or SCHEMA.NAME")]
    TooManyParts,
}

/// One SQL identifier, as the catalogs store it (without quotes).
///
/// `Display` quotes it, always, so that a formatted statement is right for any name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ident(String);

impl Ident {
    /// Takes a name as the catalogs store it: no folding, no quotes.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains('\0') {
            return Err(NameError::ZeroByte);
        }
        if name.len() > MAX_IDENT_BYTES {
            return Err(NameError::TooLong { bytes: name.len() });
        }
        Ok(Self(name))
    }

    /// Makes a name that fits: over 63 bytes, the first 50 (on a character boundary), `_`, and
    /// 8 hex digits of the whole name's blake3 hash, so that two long names stay two.
    pub fn shortened(name: &str) -> Result<Self, NameError> {
        if name.len() <= MAX_IDENT_BYTES {
            return Self::new(name);
        }
        let mut end = KEPT_BYTES;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let hash = blake3::hash(name.as_bytes()).to_hex();
        Self::new(format!("{}_{}", &name[..end], &hash.as_str()[..8]))
    }

    /// Reads a name as SQL writes it: unquoted names are folded to lower case, `"` quotes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match parse_parts(text)?.as_mut_slice() {
            [one] => Self::new(std::mem::take(one)),
            _ => Err(NameError::TooManyParts),
        }
    }

    /// The name as the catalogs store it, without quotes. Never put this into a statement.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&postgres_protocol::escape::escape_identifier(&self.0))
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Ident {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<Ident> for String {
    fn from(ident: Ident) -> Self {
        ident.0
    }
}

/// A relation, function or type with its schema. `Display` quotes both parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualifiedName {
    /// The schema.
    pub schema: Ident,
    /// The name within the schema.
    pub name: Ident,
}

impl QualifiedName {
    /// Puts a name into a schema.
    pub fn new(schema: Ident, name: Ident) -> Self {
        Self { schema, name }
    }

    /// Reads `name` or `schema.name` as SQL writes it; without a schema, `public`.
    ///
    /// The server's `search_path` plays no part: what a plan file names must not depend on who
    /// runs it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match parse_parts(text)?.as_mut_slice() {
            [name] => Ok(Self::new(
                Ident::new("public")?,
                Ident::new(std::mem::take(name))?,
            )),
            [schema, name] => Ok(Self::new(
                Ident::new(std::mem::take(schema))?,
                Ident::new(std::mem::take(name))?,
            )),
            _ => Err(NameError::TooManyParts),
        }
    }

    /// The same schema, another name.
    #[must_use]
    pub fn sibling(&self, name: Ident) -> Self {
        Self::new(self.schema.clone(), name)
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl fmt::Debug for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Splits a possibly qualified SQL name at the dots outside quotes.
fn parse_parts(text: &str) -> Result<Vec<String>, NameError> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => bare_part(rest)?,
        };
        if part.is_empty() {
            return Err(NameError::Empty);
        }
        parts.push(part);
        match after.chars().next() {
            None => return Ok(parts),
            Some('.') => rest = &after[1..],
            Some(character) => return Err(NameError::NeedsQuotes { character }),
        }
    }
}

/// Reads up to the closing quote; a doubled quote stands for one.
fn quoted_part(text: &str) -> Result<(String, &str), NameError> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or(NameError::Unterminated)?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Ok((part, rest)),
        }
    }
}

/// Reads up to the next dot and folds to lower case, as the server does for ASCII.
fn bare_part(text: &str) -> Result<(String, &str), NameError> {
    let end = text.find('.').unwrap_or(text.len());
    let (part, rest) = text.split_at(end);
    for (index, character) in part.char_indices() {
        let fits = character == '_'
            || character.is_ascii_alphabetic()
            || !character.is_ascii()
            || (index > 0 && (character.is_ascii_digit() || character == '$'));
        if !fits {
            return Err(NameError::NeedsQuotes { character });
        }
    }
    Ok((part.to_ascii_lowercase(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sql_reads_them() {
        let cases = [
            ("orders", "\"public\".\"orders\""),
            ("Sales.Orders", "\"sales\".\"orders\""),
            ("shop.\"Order Item\"", "\"shop\".\"Order Item\""),
            ("\"a.b\".\"c\"\"d\"", "\"a.b\".\"c\"\"d\""),
            ("tägliche.größen_2", "\"tägliche\".\"größen_2\""),
        ];
        for (text, expected) in cases {
            let name = QualifiedName::parse(text).expect(text);
            assert_eq!(name.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let cases = [
            ("", NameError::Empty),
            ("a..b", NameError::Empty),
            ("\"\"", NameError::Empty),
            ("a.b.c", NameError::TooManyParts),
            ("\"open", NameError::Unterminated),
            ("order item", NameError::NeedsQuotes { character: ' ' }),
            ("1st", NameError::NeedsQuotes { character: '1' }),
            ("a;drop", NameError::NeedsQuotes { character: ';' }),
            ("\"a\"b", NameError::NeedsQuotes { character: 'b' }),
            ("\"a\0b\"", NameError::ZeroByte),
        ];
        for (text, expected) in cases {
            assert_eq!(QualifiedName::parse(text), Err(expected), "{text}");
        }
        let long = "x".repeat(64);
        assert_eq!(Ident::new(long), Err(NameError::TooLong { bytes: 64 }));
    }

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let fits = "x".repeat(63);
        assert_eq!(Ident::shortened(&fits).expect("fits").as_str(), fits);
        let one = Ident::shortened(&format!("{fits}_a")).expect("one");
        let two = Ident::shortened(&format!("{fits}_b")).expect("two");
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 59);
        // 25 two-byte characters fill 50 bytes; the 51st byte would split one.
        let wide = Ident::shortened(&format!("x{}", "ä".repeat(40))).expect("wide");
        assert!(wide.as_str().starts_with(&format!("x{}_", "ä".repeat(24))));
    }
}
