//! What every row of the source becomes in the target, and back: the data behind the trigger
//! functions, the chunk statement and the comparison.

use serde::{Deserialize, Serialize};

use crate::{Ident, QualifiedName};

/// Both sides of a migration and how a row of one becomes a row of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The table that the applications write before cutover.
    pub source: QualifiedName,
    /// The shadow table, under the name that it has before cutover.
    pub target: QualifiedName,
    /// The key, in the order of the target's primary key. Never empty.
    pub key: Vec<KeyColumn>,
    /// Whether the source's key is DEFERRABLE: two rows may then bear one key within a statement.
    pub deferrable_key: bool,
    /// `f`: the target's columns that have an image in the source, key columns among them.
    pub forward: Vec<Image>,
    /// `g`: the source's columns that have an image in the target, key columns among them.
    pub reverse: Vec<Image>,
}

/// One column of the key, as both sides have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyColumn {
    /// Name in the source.
    pub source: Ident,
    /// Name in the target.
    pub target: Ident,
    /// Equality of the source's operator class, by which its unique index finds rows.
    pub source_equality: Operator,
    /// Equality of the target's operator class.
    pub target_equality: Operator,
    /// SQL type in the source, as `format_type` prints it under an empty `search_path`.
    pub source_type: String,
    /// SQL type in the target.
    pub target_type: String,
}

impl KeyColumn {
    /// Whether values of the source that are equal are always the same bytes. (Of other types that
    /// is not so, or needs a look at their collation.)
    pub fn equal_is_identical(&self) -> bool {
        matches!(
            self.source_type.as_str(),
            "smallint" | "integer" | "bigint" | "uuid" | "date"
        ) || self.source_type.starts_with("timestamp")
    }

    /// Whether two values of the source may be cast to one of the target ('1' and '01' to 1). What is
    /// not proved to be kept apart counts as that.
    pub fn may_meet(&self) -> bool {
        let text = |name: &str| name == "text" || name.starts_with("character varying");
        let unbounded = matches!(self.target_type.as_str(), "text" | "character varying");
        let kept_apart = self.source_type == self.target_type
            || self.equal_is_identical()
            || (text(&self.source_type) && unbounded);
        !kept_apart
    }
}

/// An operator with its schema; printed as `OPERATOR(schema.=)`, so that no `search_path` picks
/// another one (with the pinned path, citext keys fell back to the equality of text).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The operator's schema.
    pub schema: Ident,
    /// Its symbol, made of operator characters only.
    pub symbol: String,
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operator({}.{})", self.schema, self.symbol)
    }
}

/// How one column of one side follows from a row of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The column that is set.
    pub column: Ident,
    /// Its SQL type, as `format_type` prints it under an empty `search_path`.
    pub sql_type: String,
    /// The same type without its modifier. Casting to this and assigning refuses what is too
    /// long, as an application's own write would; casting to `varchar(n)` cuts it off in silence.
    pub base_type: QualifiedName,
    /// What it is set to.
    pub value: Value,
    /// The other side's columns that the value may depend on; for an expression, each that it
    /// seems to name.
    pub reads: Vec<Ident>,
    /// Whether evaluation can fail or the receiving side can refuse the value.
    pub totality: Totality,
    /// Whether evaluating it twice gives the same value.
    pub volatility: Volatility,
    /// Whether it depends on settings of the session that evaluates it.
    pub session: SessionDependence,
    /// Whether a later write of the row sets it again.
    pub rewrite: Rewrite,
}

/// The value of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// The other side's column as it is.
    Column(Ident),
    /// The other side's column, cast to the image's type.
    Cast(Ident),
    /// An expression of the plan file over bare column names of the other side.
    Expression(String),
}

/// Whether a value can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Totality {
    /// Proved to work for whatever the other side may hold.
    Total,
    /// May fail for some rows: the trigger then records the row and lets the application's
    /// statement succeed.
    Partial,
}

/// Whether a value depends on more than the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Volatility {
    /// The same row always gives the same value.
    Stable,
    /// Evaluated once, when the row is copied; never recomputed, compared only for presence.
    Volatile,
    /// Evaluated when the row is made; never recomputed and not compared, since a row that was
    /// there before has a value of its own.
    Original,
}

/// Whether a value depends on how a session writes and reads values, such as its time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionDependence {
    /// Proved to be the same in each session.
    Free,
    /// Evaluated under settings of ours wherever it is evaluated.
    Dependent,
}

/// Whether a later write of the row sets a column again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rewrite {
    /// Each write sets it.
    Always,
    /// Only the first one does: a GENERATED ALWAYS identity can't be set by an update, a volatile
    /// value is made once, and a key whose equality is that of its bytes can't have changed.
    Never,
}

impl Image {
    /// Whether it gives back exactly what `forward` was made from: the other side holds the column
    /// itself, or a cast of it to a type that holds every value.
    pub fn undoes(&self, forward: &[Self]) -> bool {
        let made_of = |there: &Ident| forward.iter().find(|image| image.column == *there);
        match &self.value {
            Value::Column(there) => {
                made_of(there).is_some_and(|one| one.value == Value::Column(self.column.clone()))
            }
            Value::Cast(there) => made_of(there).is_some_and(|one| {
                one.value == Value::Cast(self.column.clone()) && one.totality == Totality::Total
            }),
            Value::Expression(_) => false,
        }
    }
}

impl Mapping {
    /// Whether a row of the source can be refused by `f` or by the target.
    pub fn forward_totality(&self) -> Totality {
        totality(&self.forward)
    }

    /// Whether a row of the target can be refused by `g` or by the source.
    pub fn reverse_totality(&self) -> Totality {
        totality(&self.reverse)
    }

    /// The images of the key, in the key's order.
    pub fn key_images(&self) -> impl Iterator<Item = &Image> {
        self.key
            .iter()
            .filter_map(|key| self.forward_image(&key.target))
    }

    /// Whether `column` of the target is part of the key.
    pub fn is_key(&self, column: &Ident) -> bool {
        self.key.iter().any(|key| key.target == *column)
    }

    /// The image that sets `column` of the target.
    pub fn forward_image(&self, column: &Ident) -> Option<&Image> {
        self.forward.iter().find(|image| image.column == *column)
    }

    /// The same migration seen from the other side: what was the target is now written by the
    /// applications, under `written`, and the old side follows under `mirror`.
    #[must_use]
    pub fn reversed(&self, written: QualifiedName, mirror: QualifiedName) -> Self {
        Self {
            source: written,
            target: mirror,
            key: self
                .key
                .iter()
                .map(|key| KeyColumn {
                    source: key.target.clone(),
                    target: key.source.clone(),
                    source_equality: key.target_equality.clone(),
                    target_equality: key.source_equality.clone(),
                    source_type: key.target_type.clone(),
                    target_type: key.source_type.clone(),
                })
                .collect(),
            deferrable_key: false,
            forward: self.reverse.clone(),
            reverse: self.forward.clone(),
        }
    }
}

fn totality(images: &[Image]) -> Totality {
    if images
        .iter()
        .any(|image| image.totality == Totality::Partial)
    {
        Totality::Partial
    } else {
        Totality::Total
    }
}
