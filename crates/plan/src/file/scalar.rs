//! Values that a plan file writes as one scalar: read from a text or a number, with one message.

use std::{fmt, marker::PhantomData};

use serde::de::{Deserializer, Error, Visitor};

/// A value that stands in a plan file as a text, a number or either.
pub(crate) trait Scalar: Sized {
    /// What may stand here, for messages: "a duration such as 300ms".
    const EXPECTED: &'static str;

    /// Reads the text form. The error completes "`text` ...".
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads the number form.
    fn from_number(number: u64) -> Result<Self, String>;
}

/// Reads a scalar, whatever kind of YAML or JSON scalar holds it.
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Scalar,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(ScalarVisitor(PhantomData))
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text.trim()).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::from_number(number).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format!(
                "{number} is negative, expected {}",
                T::EXPECTED
            ))),
        }
    }
}

impl Scalar for u64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Result<Self, String> {
        Err(format!("{text:?} is not {}", Self::EXPECTED))
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Ok(number)
    }
}

/// Implements `JsonSchema` for a scalar: its name in the schema, and its schema.
macro_rules! scalar_schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

/// Implements `Deserialize` through [`Scalar`], and `Serialize` through `Display`.
macro_rules! scalar_serde {
    ($type:ty) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::file::scalar::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

pub(crate) use {scalar_schema, scalar_serde};
