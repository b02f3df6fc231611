//! The name of a migration: what users type, and what every name of ours in the database starts from.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest migration name, in bytes. Leaves room for `crossfade_` and a role within 63 bytes.
const MAX_BYTES: usize = 40;

/// Why a text is no migration name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no migration name: it starts with a letter a to z, then letters a to z, digits \
     and _, at most {MAX_BYTES} in all"
)]
pub struct MigrationNameError {
    text: String,
}

/// The name of a migration: `[a-z][a-z0-9_]{0,39}`, unique within one state schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MigrationName(String);

impl MigrationName {
    /// Takes a text that has the form of a migration name.
    pub fn new(text: impl Into<String>) -> Result<Self, MigrationNameError> {
        let text = text.into();
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        let fits = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if starts && fits && text.len() <= MAX_BYTES {
            Ok(Self(text))
        } else {
            Err(MigrationNameError { text })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MigrationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MigrationName {
    type Err = MigrationNameError;

    fn from_str(text: &str) -> Result<Self, MigrationNameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for MigrationName {
    type Error = MigrationNameError;

    fn try_from(text: String) -> Result<Self, MigrationNameError> {
        Self::new(text)
    }
}

impl From<MigrationName> for String {
    fn from(name: MigrationName) -> Self {
        name.0
    }
}

impl AsRef<str> for MigrationName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl schemars::JsonSchema for MigrationName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MigrationName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The name of a migration.",
            "pattern": "^[a-z][a-z0-9_]{0,39}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_lower_case_and_starts_with_a_letter() {
        let longest = "a".repeat(40);
        for good in ["a", "orders_id_bigint", "a1_", longest.as_str()] {
            assert_eq!(MigrationName::new(good).expect(good).as_str(), good);
        }
        let too_long = "a".repeat(41);
        for bad in [
            "",
            "1a",
            "_a",
            "A",
            "a-b",
            "a b",
            "ä",
            "a\n",
            too_long.as_str(),
        ] {
            assert!(MigrationName::new(bad).is_err(), "{bad:?}");
        }
    }
}
