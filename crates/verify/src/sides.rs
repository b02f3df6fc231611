//! Both sides as they are compared: which intervals hold the same rows, which columns count.

use std::collections::HashMap;

use crossfade_dual_write::sql;
use crossfade_plan::QualifiedName;
use crossfade_plan::mapping::{Image, Mapping, Value, Volatility};
use crossfade_postgres::Queries;
use tokio_postgres::types::Type;

use crate::error::VerifyError;
use crate::key_order::{KeyOrder, KeyOrders, Strategy};
use crate::order;
use crate::report::{NotCompared, NotComparedBecause};

const COLUMNS: &str = "\
    select a.attname::text as name, a.attcollation::bigint as collation, a.attnotnull as not_null, \
           a.attgenerated <> '' as generated, \
           case when a.attcollation <> t.typcollation then \
               pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname) \
           end as collate \
      from pg_catalog.pg_attribute a \
      join pg_catalog.pg_type t on t.oid = a.atttypid \
      left join pg_catalog.pg_collation c on c.oid = a.attcollation \
      left join pg_catalog.pg_namespace n on n.oid = c.collnamespace \
     where a.attrelid = pg_catalog.to_regclass($1) and a.attnum > 0 and not a.attisdropped";

/// Whether one interval of keys holds the same rows on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// It does: the key's image keeps the order, and one statement per interval compares both.
    Together,
    /// It does not (an integer that becomes a text): the source is walked in its order with the
    /// target looked up by key, and what the target has too many is found in one statement.
    Apart,
}

/// A mapping with what its comparison needs to know of the catalogs.
#[derive(Debug, Clone)]
pub struct Sides {
    pub(crate) mapping: Mapping,
    pub(crate) alignment: Alignment,
    /// Places of the key's columns in `mapping.forward`, in the key's order.
    pub(crate) key: Vec<usize>,
    /// `collate` clauses of the source's key columns, each empty or with a leading space.
    pub(crate) collations: Vec<String>,
    /// How the source's key columns are ordered.
    pub(crate) source_orders: Vec<KeyOrder>,
    /// How those of the target are.
    pub(crate) target_orders: Vec<KeyOrder>,
    /// Columns of the target, outside the key, that are compared by image and may be NULL.
    pub(crate) nullable: Vec<usize>,
    /// Columns of the target that no image makes, by name.
    pub(crate) not_compared: Vec<NotCompared>,
}

struct Column {
    collation: i64,
    not_null: bool,
    generated: bool,
    collate: Option<String>,
}

impl Sides {
    /// Reads what the catalogs say about both sides of `mapping`.
    pub async fn read(queries: &impl Queries, mapping: &Mapping) -> Result<Self, VerifyError> {
        let source = columns(queries, &mapping.source).await?;
        let target = columns(queries, &mapping.target).await?;
        let source_orders = KeyOrders::read(queries, &mapping.source).await?;
        let target_orders = KeyOrders::read(queries, &mapping.target).await?;
        let find = |columns: &HashMap<String, Column>, table: &QualifiedName, name: &str| {
            columns
                .get(name)
                .map(|column| (column.collation, column.collate.clone()))
                .ok_or_else(|| VerifyError::ColumnGone {
                    table: table.to_string(),
                    column: name.to_owned(),
                })
        };
        let mut sides = Self {
            mapping: mapping.clone(),
            alignment: Alignment::Together,
            key: Vec::new(),
            collations: Vec::new(),
            source_orders: Vec::new(),
            target_orders: Vec::new(),
            nullable: Vec::new(),
            not_compared: not_compared(mapping, &target),
        };
        for key in &mapping.key {
            let place = mapping
                .forward
                .iter()
                .position(|image| image.column == key.target)
                .ok_or_else(|| VerifyError::ColumnGone {
                    table: mapping.target.to_string(),
                    column: key.target.as_str().to_owned(),
                })?;
            let (of_source, collate) = find(&source, &mapping.source, key.source.as_str())?;
            let (of_target, _) = find(&target, &mapping.target, key.target.as_str())?;
            let here = source_orders.of(&key.source, &key.source_equality);
            let there = target_orders.of(&key.target, &key.target_equality);
            let less = |order: &KeyOrder| order.operator(Strategy::Less).symbol.clone();
            if of_source != of_target
                || less(&here) != less(&there)
                || !order::keeps_order(key, &mapping.forward[place])
            {
                sides.alignment = Alignment::Apart;
            }
            sides.source_orders.push(here);
            sides.target_orders.push(there);
            sides.key.push(place);
            sides.collations.push(
                collate.map_or_else(String::new, |collation| format!(" collate {collation}")),
            );
        }
        for (place, image) in mapping.forward.iter().enumerate() {
            let nullable = target
                .get(image.column.as_str())
                .is_some_and(|column| !column.not_null);
            if nullable && !sides.key.contains(&place) && by_image(image) {
                sides.nullable.push(place);
            }
        }
        Ok(sides)
    }

    /// How the two sides are walked.
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// Names of the target's columns that are compared for presence only: their values are made
    /// once and come out differently each time.
    pub fn presence_only(&self) -> Vec<String> {
        self.mapping
            .forward
            .iter()
            .filter(|image| image.volatility == Volatility::Volatile)
            .map(|image| image.column.as_str().to_owned())
            .collect()
    }

    /// Whether both sides are empty, in one snapshot.
    pub(crate) async fn are_empty(&self, queries: &impl Queries) -> Result<bool, VerifyError> {
        let sql = format!(
            "select not exists (select from {}) and not exists (select from {}) as empty",
            sql::only(&self.mapping.source, sql::SOURCE_ALIAS),
            sql::only(&self.mapping.target, sql::TARGET_ALIAS),
        );
        let row = queries.query_opt(&sql, &[]).await?;
        Ok(row
            .expect("a select without FROM returns one row")
            .try_get("empty")?)
    }

    /// Whether the source's row of a key of the target is found by an index of the source.
    pub(crate) fn probes_source(&self) -> bool {
        self.mapping.key.iter().zip(&self.key).all(|(key, place)| {
            let image = &self.mapping.forward[*place];
            order::both_integers(key, image) || matches!(image.value, Value::Column(_))
        })
    }
}

/// Whether a column's values are compared, and not only their presence.
pub(crate) fn by_image(image: &Image) -> bool {
    image.volatility == Volatility::Stable
}

fn not_compared(mapping: &Mapping, target: &HashMap<String, Column>) -> Vec<NotCompared> {
    let made = |name: &str| (mapping.forward.iter()).any(|image| image.column.as_str() == name);
    let originals = (mapping.forward.iter())
        .filter(|image| image.volatility == Volatility::Original)
        .map(|image| NotCompared {
            column: image.column.as_str().to_owned(),
            because: NotComparedBecause::Original,
        });
    let mut left: Vec<NotCompared> = (target.iter())
        .filter(|(name, _)| !made(name))
        .map(|(name, column)| NotCompared {
            column: name.clone(),
            because: if column.generated {
                NotComparedBecause::Generated
            } else {
                NotComparedBecause::NoCounterpart
            },
        })
        .chain(originals)
        .collect();
    left.sort_by(|one, other| one.column.cmp(&other.column));
    left
}

async fn columns(
    queries: &impl Queries,
    table: &QualifiedName,
) -> Result<HashMap<String, Column>, VerifyError> {
    let name = table.to_string();
    let rows = queries.query(COLUMNS, &[(&name, Type::TEXT)]).await?;
    if rows.is_empty() {
        return Err(VerifyError::TableGone { table: name });
    }
    rows.iter()
        .map(|row| {
            let column = Column {
                collation: row.try_get("collation")?,
                not_null: row.try_get("not_null")?,
                generated: row.try_get("generated")?,
                collate: row.try_get("collate")?,
            };
            Ok((row.try_get("name")?, column))
        })
        .collect()
}
