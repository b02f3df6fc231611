//! The statement that compares: both sides in one, so that both are read on one snapshot.
//!
//! With synchronous triggers both sides agree in every snapshot, and one statement is one snapshot
//! even under READ COMMITTED: under any load, without a lock, what it reports is a difference.

use crossfade_dual_write::sql;
use crossfade_plan::mapping::Volatility;
use crossfade_postgres::{Param, rule};
use tokio_postgres::types::Type;

use crate::bounds::{Of, where_clause};
use crate::interval::Interval;
use crate::order;
use crate::sides::{Alignment, Sides};

/// A statement with its parameters: `$1` is a number that the caller gives, `$2` and on are texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The SQL.
    pub sql: String,
    /// Values of `$2`, `$3`, and so on.
    pub texts: Vec<String>,
}

impl Statement {
    pub(crate) fn new(sql: String) -> Self {
        Self {
            sql,
            texts: Vec::new(),
        }
    }

    /// Adds a value and returns its placeholder.
    pub(crate) fn text(&mut self, value: &str) -> String {
        self.texts.push(value.to_owned());
        format!("${}", self.texts.len() + 1)
    }

    /// The parameters, with `number` as `$1`.
    pub(crate) fn parameters<'a>(&'a self, number: &'a i64) -> Vec<Param<'a>> {
        let mut parameters: Vec<Param<'a>> = vec![(number, Type::INT8)];
        parameters.extend(self.texts.iter().map(|text| (text as _, Type::TEXT)));
        parameters
    }
}

/// Which rows of the join are kept that have no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// Those of both sides.
    Full,
    /// Those of the source: missing in the target.
    Source,
    /// Those of the target: extra.
    Target,
}

impl Sides {
    /// Compares the rows of one interval; `$1` bounds how many differences are returned.
    ///
    /// Returns one row: `source_rows` and `target_rows` as read, `missing`, `extra`,
    /// `differences`, and `found`, a JSON array of mismatches.
    pub fn chunk(&self, interval: &Interval) -> Statement {
        let mut statement = Statement::new(String::new());
        let source = self.within(interval, Of::Source, &mut statement);
        statement.sql = match self.alignment {
            Alignment::Together => {
                let target = self.within(interval, Of::Target, &mut statement);
                let join = if rule::holds("verify/extra") {
                    Join::Full
                } else {
                    Join::Source
                };
                self.comparison(join, &source, &target)
            }
            Alignment::Apart => self.comparison(Join::Source, &source, &[]),
        };
        statement
    }

    /// Finds what the target has too many, in the whole of both tables, and counts the target.
    ///
    /// A hash of one side's keys: the cost of a whole-table join, where no interval holds the same
    /// rows on both sides. The rows found may be many, hence not an aggregate but a relation that
    /// the server can put on disk.
    pub(crate) fn all_extra(&self) -> String {
        let extra = if rule::holds("verify/extra") {
            format!(
                "not exists (select from ({}) as s where {})",
                self.source_rows(&[]),
                self.same_key()
            )
        } else {
            "false".to_owned()
        };
        format!(
            "with extra as materialized (select {} as found from ({}) as d where {extra}) \
             select 0::bigint as source_rows, \
                    (select pg_catalog.count(*) from {}) as target_rows, 0::bigint as missing, \
                    (select pg_catalog.count(*) from extra) as extra, \
                    (select pg_catalog.count(*) from extra) as differences, \
                    pg_catalog.to_jsonb(array(select found from extra limit $1::bigint)) as found",
            described("'extra'", &self.target_key(), "array[]::text[]"),
            self.target_rows(&[]),
            sql::only(&self.mapping.target, sql::TARGET_ALIAS),
        )
    }

    /// The comparison of the rows of both sides that meet the conditions.
    ///
    /// The aggregates' filters make equal rows cost no more than the test itself.
    pub(crate) fn comparison(&self, join: Join, source: &[String], target: &[String]) -> String {
        let keyword = match join {
            Join::Full => "full",
            Join::Source => "left",
            Join::Target => "right",
        };
        let (missing, extra) = (
            format!("{} is null", self.target_presence()),
            "s.k0 is null",
        );
        let kind = format!(
            "case when {missing} then 'missing' when {extra} then 'extra' else 'different' end"
        );
        // The key of the side that has the row: with it the row is found again.
        let key = format!(
            "case when {extra} then {} else array[{}] end",
            self.target_key(),
            sql::list((0..self.key.len()).map(|at| format!("s.k{at}::text")))
        );
        let columns = format!(
            "case when {missing} or {extra} then array[]::text[] else {} end",
            self.differing_columns()
        );
        format!(
            "select f.source_rows, f.target_rows, f.missing, f.extra, \
                    coalesce(pg_catalog.cardinality(f.found), 0)::bigint as differences, \
                    coalesce(pg_catalog.to_jsonb(f.found[1:$1::bigint::integer]), '[]'::jsonb) as found \
             from (select pg_catalog.count(s.k0) as source_rows, \
                          pg_catalog.count({present}) as target_rows, \
                          pg_catalog.count(*) filter (where {missing}) as missing, \
                          pg_catalog.count(*) filter (where {extra}) as extra, \
                          pg_catalog.array_agg({}) filter \
                              (where {missing} or {extra} or {}) as found \
                     from ({}) as s {keyword} join ({}) as d on {}) as f",
            described(&kind, &key, &columns),
            self.rows_differ(),
            self.source_rows(source),
            self.target_rows(target),
            self.same_key(),
            present = self.target_presence(),
        )
    }

    /// The images of both sides in an interval as texts, in two statements: only for seeing that
    /// one statement is needed.
    pub(crate) fn images(&self, interval: &Interval) -> (Statement, Statement) {
        let images = sql::list((0..self.mapping.forward.len()).map(|at| format!("i.c{at}")));
        let side = |of: Of| {
            let mut statement = Statement::new(String::new());
            let conditions = self.within(interval, of, &mut statement);
            let rows = match of {
                Of::Source => self.source_rows(&conditions),
                Of::Target => self.target_rows(&conditions),
            };
            statement.sql = format!("select row({images})::text from ({rows}) as i");
            statement
        };
        (side(Of::Source), side(Of::Target))
    }

    /// The source's rows: `k0..` its key as it is, `c0..` the images as the target should have them.
    ///
    /// Each column by name and each image computed here, once, from the source's columns: nothing
    /// is shared with what filled the target but the expression itself.
    pub(crate) fn source_rows(&self, conditions: &[String]) -> String {
        let keys = self
            .mapping
            .key
            .iter()
            .enumerate()
            .map(|(at, key)| format!("{}.{} as k{at}", sql::SOURCE_ALIAS, key.source));
        let images =
            self.mapping
                .forward
                .iter()
                .enumerate()
                .map(|(at, image)| match image.volatility {
                    Volatility::Stable => {
                        format!("{} as c{at}", sql::stored(image, sql::SOURCE_ALIAS))
                    }
                    Volatility::Volatile => format!(
                        "{} is null as c{at}",
                        sql::assigned(image, sql::SOURCE_ALIAS)
                    ),
                    Volatility::Original => format!("true as c{at}"),
                });
        format!(
            "select {} from {}{}",
            sql::list(keys.chain(images)),
            sql::only(&self.mapping.source, sql::SOURCE_ALIAS),
            where_clause(conditions)
        )
    }

    fn target_rows(&self, conditions: &[String]) -> String {
        let columns = self.mapping.forward.iter().enumerate().map(|(at, image)| {
            let column = format!("{}.{}", sql::TARGET_ALIAS, image.column);
            match image.volatility {
                Volatility::Stable => format!("{column} as c{at}"),
                Volatility::Volatile => format!("{column} is null as c{at}"),
                Volatility::Original => format!("true as c{at}"),
            }
        });
        format!(
            "select {} from {}{}",
            sql::list(columns),
            sql::only(&self.mapping.target, sql::TARGET_ALIAS),
            where_clause(conditions)
        )
    }

    /// The keys are equal by the target's operator class. Integers are compared as they are, by
    /// the operators of their common family, so that the indexes of both sides serve.
    fn same_key(&self) -> String {
        sql::all(
            self.mapping
                .key
                .iter()
                .zip(&self.key)
                .enumerate()
                .map(|(at, (key, place))| {
                    if order::both_integers(key, &self.mapping.forward[*place]) {
                        format!("s.k{at} operator(pg_catalog.=) d.c{place}")
                    } else {
                        format!("d.c{place} {} s.c{place}", key.target_equality)
                    }
                }),
        )
    }

    /// By image, which is exact: the target holds what f made of the source, to the bit. Equality
    /// takes 1.0 for 1.00, -0.0 for 0.0 and a citext for another, and json has none.
    fn rows_differ(&self) -> String {
        let row = |side: &str| {
            sql::list((0..self.mapping.forward.len()).map(|at| format!("{side}.c{at}")))
        };
        if rule::holds("verify/by-image") {
            format!(
                "pg_catalog.record_image_ne(row({}), row({}))",
                row("s"),
                row("d")
            )
        } else {
            format!("row({}) is distinct from row({})", row("s"), row("d"))
        }
    }

    fn differing_columns(&self) -> String {
        let cases = self.mapping.forward.iter().enumerate().map(|(at, image)| {
            format!(
                "case when pg_catalog.record_image_ne(row(s.c{at}), row(d.c{at})) then {}::text end",
                sql::literal(image.column.as_str())
            )
        });
        format!("pg_catalog.array_remove(array[{}], null)", sql::list(cases))
    }

    /// A column of the target that is never NULL.
    fn target_presence(&self) -> String {
        format!("d.c{}", self.key.first().copied().unwrap_or(0))
    }

    fn target_key(&self) -> String {
        format!(
            "array[{}]",
            sql::list(self.key.iter().map(|place| format!("d.c{place}::text")))
        )
    }
}

/// One mismatch as JSON; the arguments are SQL.
fn described(kind: &str, key: &str, columns: &str) -> String {
    format!("pg_catalog.jsonb_build_object('kind', {kind}, 'key', {key}, 'columns', {columns})")
}
