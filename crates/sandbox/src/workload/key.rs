//! Kinds of primary key, and the value of the key with a given number.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// 2020-01-01 00:00 UTC in milliseconds: the time of key 0.
const FIRST_MOMENT: i64 = 1_577_836_800_000;

/// The values of one primary key as text, one per key column.
///
/// Its order is the order in which transactions lock several keys. It need not be the
/// server's, but every transaction must keep to the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(crate) Vec<String>);

impl Key {
    /// A key from the texts of its columns.
    pub fn new(values: Vec<String>) -> Self {
        Self(values)
    }

    /// Whether a row keeps this key for as long as it lives, about half of all keys do: see
    /// the rules against deadlocks in the module's documentation.
    pub(crate) fn is_pinned(&self) -> bool {
        // Of the last column alone: others may repeat its digits, and cancel them out.
        let bytes = self.0.last().into_iter().flat_map(|value| value.bytes());
        bytes.fold(0, |parity, byte| parity ^ (byte & 1)) == 0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// What a table is keyed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// `id integer`.
    Int,
    /// `id bigint`.
    BigInt,
    /// `id uuid`, in random order.
    Uuid,
    /// `id text` with an ICU collation whose order is not that of the bytes.
    IcuText,
    /// `id timestamptz`.
    Timestamptz,
    /// `(shard integer, part text)`.
    IntText,
    /// `(tenant uuid, no integer)`.
    TenantNumber,
}

/// A column of a primary key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyColumn {
    pub(crate) name: &'static str,
    pub(crate) sql_type: &'static str,
    pub(crate) collation: Option<&'static str>,
    /// The value for the bigint column `k`, the same as [`KeyKind::key`] makes.
    pub(crate) series: &'static str,
}

const UUID_OF_K: &str = "(pg_catalog.lpad(pg_catalog.to_hex(k * 2654435761 % 4294967296), 8, '0') \
     || '-0000-4000-8000-' || pg_catalog.lpad(pg_catalog.to_hex(k), 12, '0'))::uuid";

const UUID_OF_TENANT: &str = "('7e9a0000-0000-4000-8000-' \
     || pg_catalog.lpad(pg_catalog.to_hex(k % 50), 12, '0'))::uuid";

impl KeyColumn {
    const fn new(name: &'static str, sql_type: &'static str, series: &'static str) -> Self {
        Self {
            name,
            sql_type,
            collation: None,
            series,
        }
    }
}

impl KeyKind {
    /// All of them, for a matrix of tests.
    pub const ALL: [Self; 7] = [
        Self::Int,
        Self::BigInt,
        Self::Uuid,
        Self::IcuText,
        Self::Timestamptz,
        Self::IntText,
        Self::TenantNumber,
    ];

    pub(crate) const fn columns(self) -> &'static [KeyColumn] {
        const INT: [KeyColumn; 1] = [KeyColumn::new("id", "integer", "k::integer")];
        const BIGINT: [KeyColumn; 1] = [KeyColumn::new("id", "bigint", "k")];
        const UUID: [KeyColumn; 1] = [KeyColumn::new("id", "uuid", UUID_OF_K)];
        const ICU_TEXT: [KeyColumn; 1] = [KeyColumn {
            collation: Some("pg_catalog.\"und-x-icu\""),
            ..KeyColumn::new(
                "id",
                "text",
                "((array['a', 'B', 'ä', 'Z'])[k % 4 + 1] || pg_catalog.lpad(k::text, 12, '0'))",
            )
        }];
        const TIMESTAMPTZ: [KeyColumn; 1] = [KeyColumn::new(
            "id",
            "timestamptz",
            "('2020-01-01 00:00:00+00'::timestamptz + k * interval '1 millisecond')",
        )];
        const INT_TEXT: [KeyColumn; 2] = [
            KeyColumn::new("shard", "integer", "(k % 97)::integer"),
            KeyColumn::new("part", "text", "('part-' || k::text)"),
        ];
        const TENANT_NUMBER: [KeyColumn; 2] = [
            KeyColumn::new("tenant", "uuid", UUID_OF_TENANT),
            KeyColumn::new("no", "integer", "k::integer"),
        ];
        match self {
            Self::Int => &INT,
            Self::BigInt => &BIGINT,
            Self::Uuid => &UUID,
            Self::IcuText => &ICU_TEXT,
            Self::Timestamptz => &TIMESTAMPTZ,
            Self::IntText => &INT_TEXT,
            Self::TenantNumber => &TENANT_NUMBER,
        }
    }

    /// The key with the number `k`. Different numbers below 2^31 make different keys.
    pub(crate) fn key(self, k: u32) -> Key {
        Key(match self {
            Self::Int | Self::BigInt => vec![k.to_string()],
            Self::Uuid => {
                let spread = k.wrapping_mul(2_654_435_761);
                vec![format!("{spread:08x}-0000-4000-8000-{k:012x}")]
            }
            Self::IcuText => {
                let letter = ["a", "B", "ä", "Z"][k as usize % 4];
                vec![format!("{letter}{k:012}")]
            }
            Self::Timestamptz => {
                let moment = Timestamp::from_millisecond(FIRST_MOMENT + i64::from(k))
                    .expect("a few weeks after 2020");
                vec![moment.to_string()]
            }
            Self::IntText => vec![(k % 97).to_string(), format!("part-{k}")],
            Self::TenantNumber => vec![
                format!("7e9a0000-0000-4000-8000-{:012x}", k % 50),
                k.to_string(),
            ],
        })
    }
}
