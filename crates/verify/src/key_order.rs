//! The operators by which the index of a key orders it.
//!
//! They need not be called `<` and `>=`: those of hstore's operator class are `#<#` and `#>=#`, and
//! `text_pattern_ops` sorts by bytes, with `~<~`.

use crossfade_plan::Ident;
use crossfade_plan::QualifiedName;
use crossfade_plan::mapping::Operator;
use crossfade_postgres::Queries;
use tokio_postgres::types::Type;

use crate::error::VerifyError;

const OF_INDEXES: &str = "\
    select a.attname::text as column, found.schemas, found.symbols \
      from pg_catalog.pg_index x \
      join pg_catalog.pg_class c on c.oid = x.indexrelid \
      join pg_catalog.pg_am m on m.oid = c.relam and m.amname = 'btree' \
     cross join lateral pg_catalog.generate_series(1, x.indnkeyatts::integer) as k (n) \
      join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[k.n - 1] \
      join pg_catalog.pg_opclass oc on oc.oid = x.indclass[k.n - 1] \
     cross join lateral ( \
           select pg_catalog.array_agg(n.nspname::text order by ao.amopstrategy) as schemas, \
                  pg_catalog.array_agg(o.oprname::text order by ao.amopstrategy) as symbols \
             from pg_catalog.pg_amop ao \
             join pg_catalog.pg_operator o on o.oid = ao.amopopr \
             join pg_catalog.pg_namespace n on n.oid = o.oprnamespace \
            where ao.amopfamily = oc.opcfamily and ao.amoppurpose = 's' \
              and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype) as found \
     where x.indrelid = pg_catalog.to_regclass($1) and x.indisunique \
       and pg_catalog.cardinality(found.symbols) = 5 \
     order by x.indisprimary desc, oc.opcdefault desc, x.indexrelid";

/// Which of the five comparisons of a btree, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Less = 1,
    LessOrEqual = 2,
    Equal = 3,
    GreaterOrEqual = 4,
    Greater = 5,
}

impl Strategy {
    /// The one that holds for equal values too.
    pub(crate) fn or_equal(self) -> Self {
        match self {
            Self::Less | Self::LessOrEqual => Self::LessOrEqual,
            Self::Greater | Self::GreaterOrEqual => Self::GreaterOrEqual,
            Self::Equal => Self::Equal,
        }
    }
}

/// How one column of a key is ordered on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyOrder([Operator; 5]);

impl KeyOrder {
    /// The operator of a comparison.
    pub(crate) fn operator(&self, strategy: Strategy) -> &Operator {
        &self.0[strategy as usize - 1]
    }

    /// By the names that nearly every type has, in the schema of the equality.
    fn usual(equality: &Operator) -> Self {
        Self(["<", "<=", "=", ">=", ">"].map(|symbol| Operator {
            schema: equality.schema.clone(),
            symbol: symbol.to_owned(),
        }))
    }
}

/// The orders of the columns of a table that unique indexes are on.
pub(crate) struct KeyOrders(Vec<(String, KeyOrder)>);

impl KeyOrders {
    pub(crate) async fn read(
        queries: &impl Queries,
        table: &QualifiedName,
    ) -> Result<Self, VerifyError> {
        let rows = queries
            .query(OF_INDEXES, &[(&table.to_string(), Type::TEXT)])
            .await?;
        let mut found = Vec::new();
        for row in &rows {
            let (schemas, symbols): (Vec<String>, Vec<String>) =
                (row.try_get("schemas")?, row.try_get("symbols")?);
            let operators: Vec<Operator> = (schemas.into_iter().zip(symbols))
                .filter_map(|(schema, symbol)| {
                    let schema = Ident::new(schema).ok()?;
                    Some(Operator { schema, symbol })
                })
                .collect();
            if let Ok(operators) = operators.try_into() {
                found.push((row.try_get("column")?, KeyOrder(operators)));
            }
        }
        Ok(Self(found))
    }

    /// That of the index which finds rows by `equality`.
    pub(crate) fn of(&self, column: &Ident, equality: &Operator) -> KeyOrder {
        let fits = |order: &KeyOrder| order.operator(Strategy::Equal) == equality;
        let found = (self.0.iter()).find(|(name, order)| name == column.as_str() && fits(order));
        found.map_or_else(|| KeyOrder::usual(equality), |(_, order)| order.clone())
    }
}
