//! Columns of an application table and the values that the application writes into them.

use crossfade_plan::{Ident, NameError};
use rand::rngs::StdRng;
use rand::{RngExt, seq::IndexedRandom};

const FIRST_NAMES: [&str; 8] = [
    "Ada", "Björn", "Chloé", "Dmitri", "Eva", "Fatima", "Grace", "Hiro",
];
const LAST_NAMES: [&str; 8] = [
    "Adler", "Brontë", "Curie", "Dirac", "Euler", "Fermi", "Gauß", "Hopper",
];
/// Texts that a careless copy mangles: empty, quotes, tabs, newlines, backslashes, NULL in words.
const NOTES: [&str; 8] = [
    "",
    " ",
    "it's \"quoted\"",
    "tab\tand\nline",
    "back\\slash \\N",
    "NULL",
    "naïve – 日本語",
    "{1,2}",
];

/// What kind of values a column holds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Values {
    /// `text`: first name, a space, last name.
    PersonName,
    /// `text`: an address.
    Email,
    /// Any integer type: 0 up to, but not including this.
    IntegerBelow(i32),
    /// `text`: one of these.
    OneOf(&'static [&'static str]),
    /// `text`: anything, with empty texts and special characters.
    Note,
    /// `timestamptz`, in microseconds.
    Moment,
    /// `jsonb`.
    Document,
}

/// A column that is not part of the primary key.
#[derive(Clone, Debug)]
pub struct Column {
    pub(crate) name: Ident,
    pub(crate) sql_type: &'static str,
    pub(crate) values: Values,
    pub(crate) nullable: bool,
    pub(crate) default: Option<&'static str>,
}

impl Column {
    /// A nullable column of a type (as SQL writes it), without a default.
    pub fn new(name: &str, sql_type: &'static str, values: Values) -> Result<Self, NameError> {
        Ok(Self {
            name: Ident::new(name)?,
            sql_type,
            values,
            nullable: true,
            default: None,
        })
    }

    /// The same, declared NOT NULL.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// The same with a default, an SQL expression that gives the same value all through a
    /// transaction.
    #[must_use]
    pub fn default(mut self, expression: &'static str) -> Self {
        self.default = Some(expression);
        self
    }
}

impl Values {
    /// Whether a statement may add to the value.
    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Self::IntegerBelow(_))
    }

    /// A value as text.
    pub(crate) fn generate(self, rng: &mut StdRng) -> String {
        let one_of = |texts: &'static [&'static str], rng: &mut StdRng| {
            texts.choose(rng).copied().unwrap_or_default()
        };
        match self {
            Self::PersonName => {
                let first = one_of(&FIRST_NAMES, rng);
                format!("{first} {}", one_of(&LAST_NAMES, rng))
            }
            Self::Email => format!("{}@example.com", rng.random_range(0..1_000_000)),
            Self::IntegerBelow(limit) => rng.random_range(0..limit.max(1)).to_string(),
            Self::OneOf(texts) => one_of(texts, rng).to_owned(),
            Self::Note => one_of(&NOTES, rng).to_owned(),
            Self::Moment => {
                let second = rng.random_range(0..60);
                let fraction = rng.random_range(0..1_000_000);
                format!("2024-05-06 07:08:{second:02}.{fraction:06}+00")
            }
            Self::Document => {
                let number = rng.random_range(0..1000);
                format!(r#"{{"n": {number}, "tags": ["a", null], "amount": 1.00}}"#)
            }
        }
    }

    /// A value as an SQL expression of the non-negative bigint column `hash`.
    pub(crate) fn series(self) -> String {
        let one_of = |texts: &[&str], hash: &str| {
            let literals: Vec<String> = texts
                .iter()
                .map(|text| postgres_protocol::escape::escape_literal(text))
                .collect();
            let count = texts.len();
            format!("(array[{}])[{hash} % {count} + 1]", literals.join(", "))
        };
        match self {
            Self::PersonName => format!(
                "{} || ' ' || {}",
                one_of(&FIRST_NAMES, "hash"),
                one_of(&LAST_NAMES, "(hash / 8)")
            ),
            Self::Email => "(hash % 1000000)::text || '@example.com'".to_owned(),
            Self::IntegerBelow(limit) => format!("hash % {}", limit.max(1)),
            Self::OneOf(texts) => one_of(texts, "hash"),
            Self::Note => one_of(&NOTES, "hash"),
            Self::Moment => "'2024-05-06 00:00:00+00'::timestamptz \
                 + hash % 86400000000 * interval '1 microsecond'"
                .to_owned(),
            Self::Document => {
                "pg_catalog.jsonb_build_object('n', hash % 1000, 'tags', array['a', null])"
                    .to_owned()
            }
        }
    }
}
