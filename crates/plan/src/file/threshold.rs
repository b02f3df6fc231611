//! Thresholds: a limit, or `off`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::scalar::{self, Scalar};

/// A limit that the plan file may switch off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold<T> {
    /// No limit: the signal is not looked at.
    Off,
    /// The limit.
    At(T),
}

impl<T> Threshold<T> {
    /// The limit, if there is one.
    pub fn limit(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::At(limit) => Some(limit),
        }
    }
}

impl<T: Scalar> Scalar for Threshold<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => T::from_text(text)
                .map(Self::At)
                .map_err(|message| format!("{message}; for no limit write off")),
        }
    }

    fn from_number(number: u64) -> Result<Self, String> {
        T::from_number(number)
            .map(Self::At)
            .map_err(|message| format!("{message}; for no limit write off"))
    }
}

impl<'de, T: Scalar> Deserialize<'de> for Threshold<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar::deserialize(deserializer)
    }
}

impl<T: Serialize> Serialize for Threshold<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::At(limit) => limit.serialize(serializer),
        }
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Threshold<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Threshold_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let limit = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [limit, { "const": "off" }] })
    }
}
