//! Identity and serial columns: which sequence is whose, before and after the swap.
//!
//! An identity column's sequence belongs to its table for good, so the target has one of its own;
//! the swap carries the value over and exchanges the names. A serial column's sequence goes over
//! to the target itself. Values come from the old sequence, never from the highest key: numbers
//! that connections hold in their cache are counted there.

use crossfade_dual_write::sql;
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{Identity, Sequence, SequenceUse};
use crossfade_postgres::rule;

use crate::names;
use crate::target::{TargetColumn, TargetTable};

/// A sequence whose column lives on.
pub(crate) struct Carried<'a> {
    pub(crate) old: &'a Sequence,
    /// The column, by its name in the target.
    pub(crate) column: &'a Ident,
    /// The type that the target's sequence has.
    data_type: &'static str,
}

/// The sequences whose columns live on, by how they are used.
pub(crate) fn carried<'a>(target: &'a TargetTable<'_>, usage: SequenceUse) -> Vec<Carried<'a>> {
    let source = target.source;
    source
        .sequences
        .iter()
        .filter(|sequence| sequence.usage == usage)
        .filter_map(|old| {
            let column = target.columns.iter().find(|column| {
                column
                    .carries
                    .is_some_and(|carried| carried.name == old.column)
            })?;
            Some(Carried {
                old,
                column: &column.name,
                data_type: data_type(old, column),
            })
        })
        .collect()
}

/// A sequence is as wide as its column, once that was widened. It is never narrowed: the values
/// that it has given out stay valid.
fn data_type(old: &Sequence, column: &TargetColumn<'_>) -> &'static str {
    let width = |name: &str| match name {
        "smallint" => 0,
        "integer" => 1,
        _ => 2,
    };
    let own = width(&old.data_type);
    let wanted = if column.retyped {
        width(&column.column_type.sql_type)
    } else {
        own
    };
    ["smallint", "integer", "bigint"][if wanted > own { wanted } else { own }]
}

fn limits(data_type: &str) -> (i64, i64) {
    match data_type {
        "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

impl Carried<'_> {
    /// The target's sequence before the swap, for identity columns.
    pub(crate) fn temporary(&self) -> QualifiedName {
        self.old.name.sibling(names::temporary(&self.old.name.name))
    }

    /// The old side's sequence after the swap, for identity columns.
    fn retired(&self) -> QualifiedName {
        self.old.name.sibling(names::retired(&self.old.name.name))
    }

    /// The identity clause of the target's column.
    pub(crate) fn identity_clause(&self, identity: Identity) -> String {
        let old = self.old;
        let (min, max) = self.bounds();
        format!(
            "generated {} as identity (sequence name {} start with {} increment by {} minvalue {min} \
             maxvalue {max} cache {}{})",
            match identity {
                Identity::Always => "always",
                Identity::ByDefault => "by default",
            },
            self.temporary(),
            old.start,
            old.increment,
            old.cache,
            if old.cycle { " cycle" } else { " no cycle" },
        )
    }

    /// The least and the greatest value of the target's sequence. A bound that is the old type's
    /// own gives way to the new type's.
    fn bounds(&self) -> (i64, i64) {
        let old = self.old;
        let (low, high) = limits(self.data_type);
        let (old_low, old_high) = limits(&old.data_type);
        (
            if old.min == old_low { low } else { old.min },
            if old.max == old_high { high } else { old.max },
        )
    }

    /// Where one sequence goes on after the other one, `from`: with a distance, within bounds.
    ///
    /// Whoever has looked up the sequence and then waits for its lock draws from it once more when
    /// the names have changed places. These are the numbers that the other one leaves out: as many
    /// as all the server's connections can take at once, and at most half of what is left, lest a
    /// sequence that is near its end comes to it.
    fn go_on(&self, from: &QualifiedName, (min, max): (i64, i64)) -> String {
        let old = self.old;
        let step = if rule::holds("cutover/number-gap") {
            i128::from(old.increment) * i128::from(old.cache)
        } else {
            0
        };
        let all = format!("{step} * pg_catalog.current_setting('max_connections')::numeric");
        let distance = if old.increment > 0 {
            format!(
                "least({all}, greatest(0, pg_catalog.floor(({max} - last_value::numeric) / 2)))"
            )
        } else {
            format!("greatest({all}, least(0, pg_catalog.ceil(({min} - last_value::numeric) / 2)))")
        };
        format!(
            "select pg_catalog.setval({}::pg_catalog.regclass, greatest(least(last_value + {distance}, \
             {max}), {min})::bigint, is_called) from {from}",
            sql::literal(&old.name.to_string()),
        )
    }

    /// Identity: the names change places, and the value goes over. The first statement locks the
    /// old sequence, so that no number is drawn between reading and setting.
    pub(crate) fn exchange(&self) -> Vec<String> {
        let (own, old, new) = (&self.old.name, self.retired(), self.temporary());
        vec![
            format!("alter sequence {own} rename to {}", old.name),
            format!("alter sequence {new} rename to {}", own.name),
            self.go_on(&old, self.bounds()),
        ]
    }

    /// The way back of [`exchange`](Self::exchange). What the old sequence can't hold is cut off:
    /// the rows that have such numbers are lost to the old side anyway.
    pub(crate) fn exchange_back(&self) -> Vec<String> {
        let (own, old, new) = (&self.old.name, self.retired(), self.temporary());
        vec![
            format!("alter sequence {own} rename to {}", new.name),
            format!("alter sequence {old} rename to {}", own.name),
            self.go_on(&new, (self.old.min, self.old.max)),
        ]
    }

    /// Serial: the sequence goes over to `table`, which has the source's name by now.
    pub(crate) fn hand_over(&self, table: &QualifiedName) -> Vec<String> {
        let name = &self.old.name;
        let mut statements = vec![format!(
            "alter sequence {name} owned by {table}.{}",
            self.column
        )];
        if self.data_type != self.old.data_type {
            statements.push(format!("alter sequence {name} as {}", self.data_type));
        }
        statements
    }

    /// The way back of [`hand_over`](Self::hand_over), `table` being the source.
    pub(crate) fn hand_back(&self, table: &QualifiedName) -> Vec<String> {
        let name = &self.old.name;
        let mut statements = vec![format!(
            "alter sequence {name} owned by {table}.{}",
            self.old.column
        )];
        if self.data_type != self.old.data_type {
            // A sequence that has passed the old type's end can't be narrowed.
            let body = format!(
                "begin\n  if (select last_value between {} and {} from {name}) then\n    \
                 alter sequence {name} as {} minvalue {} maxvalue {};\n  end if;\nend",
                self.old.min, self.old.max, self.old.data_type, self.old.min, self.old.max,
            );
            statements.push(format!("do {}", sql::dollar_quoted(&body)));
        }
        statements
    }
}
