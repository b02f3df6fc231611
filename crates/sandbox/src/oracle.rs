//! The two-table oracle: whether a migrated table holds what its control table says.
//!
//! Independent of Crossfade's own verifier: `except all` both ways, in one statement and so in
//! one snapshot, with values as text. Text tells apart what `=` does not (1.0 and 1.00, '' and
//! NULL), and compares columns whose type has changed.

use std::borrow::Borrow;
use std::fmt;

use tokio_postgres::Client;

/// How many keys of differences are kept, of each direction.
const KEPT_KEYS: usize = 20;

/// What a value of the result must be: an SQL expression of the control table's columns, and
/// one of the result's.
pub type Pair<'a> = (&'a str, &'a str);

/// What to compare. Both expressions of a pair must have the same text.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The control table, as SQL writes its name.
    pub control: &'a str,
    /// The migrated table, as SQL writes its name.
    pub result: &'a str,
    /// The primary key.
    pub key: &'a [Pair<'a>],
    /// All other columns.
    pub columns: &'a [Pair<'a>],
}

/// In what the tables differ. A row that is there but stale is both missing and extra.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    /// Rows of the control table that the result does not have.
    pub missing: i64,
    /// Rows of the result that the control table does not have.
    pub extra: i64,
    /// The first keys of missing rows.
    pub missing_keys: Vec<String>,
    /// The first keys of extra rows.
    pub extra_keys: Vec<String>,
}

/// Why the oracle is not content.
#[derive(Debug)]
pub enum OracleError {
    /// The tables differ.
    Differ(Differences),
    /// There is no row to compare: nothing is proved.
    NoRows,
    /// The comparison itself failed.
    Query(tokio_postgres::Error),
}

impl fmt::Display for OracleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differ(found) => write!(
                f,
                "{} rows are missing, with the keys {:?}, and {} are extra, with the keys {:?}",
                found.missing, found.missing_keys, found.extra, found.extra_keys
            ),
            Self::NoRows => f.write_str("the control table is empty"),
            Self::Query(_) => f.write_str("the tables could not be compared"),
        }
    }
}

impl std::error::Error for OracleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Query(source) => Some(source),
            Self::Differ(_) | Self::NoRows => None,
        }
    }
}

impl Comparison<'_> {
    /// Compares all rows, and returns how many there are. `observer` must see all rows of both
    /// tables (row-level security hides some from others than superusers).
    pub async fn run(&self, observer: &impl Borrow<Client>) -> Result<i64, OracleError> {
        let outcome = observer.borrow().query_one(&self.sql(), &[]).await;
        let row = outcome.map_err(OracleError::Query)?;
        let read = || {
            let found = Differences {
                missing: row.try_get("missing")?,
                extra: row.try_get("extra")?,
                missing_keys: row.try_get("missing_keys")?,
                extra_keys: row.try_get("extra_keys")?,
            };
            Ok((row.try_get("rows")?, found))
        };
        let (rows, found): (i64, Differences) = read().map_err(OracleError::Query)?;
        match (rows, found.missing, found.extra) {
            (0, 0, 0) => Err(OracleError::NoRows),
            (rows, 0, 0) => Ok(rows),
            _ => Err(OracleError::Differ(found)),
        }
    }

    fn sql(&self) -> String {
        let pairs = || self.key.iter().chain(self.columns);
        let select = |expressions: &mut dyn Iterator<Item = &str>, table: &str| {
            let columns: Vec<String> = expressions
                .enumerate()
                .map(|(n, expression)| format!("({expression})::text as c{n}"))
                .collect();
            format!("select {} from {table}", columns.join(", "))
        };
        let control = select(&mut pairs().map(|pair| pair.0), self.control);
        let result = select(&mut pairs().map(|pair| pair.1), self.result);
        let key: Vec<String> = (0..self.key.len()).map(|n| format!("c{n}")).collect();
        let keys = |of: &str| {
            format!(
                "array(select pg_catalog.concat_ws(', ', {key}) from {of} order by 1 limit {KEPT_KEYS})",
                key = key.join(", ")
            )
        };
        format!(
            "with control as materialized ({control}), result as materialized ({result}),
             missing as materialized (select * from control except all select * from result),
             extra as materialized (select * from result except all select * from control)
             select (select pg_catalog.count(*) from control) as rows,
                    (select pg_catalog.count(*) from missing) as missing,
                    (select pg_catalog.count(*) from extra) as extra,
                    {} as missing_keys, {} as extra_keys",
            keys("missing"),
            keys("extra"),
        )
    }
}
