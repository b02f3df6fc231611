//! Which casts cannot fail, and which keep different keys different.
//!
//! Both tables name what is proved; everything else counts as able to fail, and as able to make
//! two keys one.

use crossfade_plan::mapping::Totality;

use crate::column_type::ColumnType;

/// Whether every value of one type can be stored in a column of another by a cast to its base
/// type and an assignment.
pub(crate) fn totality(from: &ColumnType, to: &ColumnType) -> Totality {
    if to.domain.as_ref().is_some_and(|domain| domain.constrained) && from.sql_type != to.sql_type {
        return Totality::Partial;
    }
    // Every type has an output function, and text holds what it says. A type that is not PostgreSQL's
    // own may have a cast to text besides, which does what its owner likes.
    let to_text = to.builtin() == Some("text") && is_own(from);
    let total = to_text
        || from.sql_type == to.sql_type
        || match (from.builtin(), to.builtin()) {
            (Some("int2"), Some("int4" | "int8"))
            | (Some("int4"), Some("int8"))
            | (Some("float4"), Some("float8"))
            | (Some("cidr"), Some("inet"))
            | (Some("bool"), Some("int4")) => true,
            (Some(from @ ("int2" | "int4" | "int8")), Some("numeric")) => holds_integer(to, from),
            (Some("numeric"), Some("numeric")) => widens_numeric(from, to),
            (Some("varchar"), Some("varchar")) => {
                match (&from.modifier()[..], &to.modifier()[..]) {
                    (_, []) => true,
                    ([from], [to]) => from <= to,
                    _ => false,
                }
            }
            (Some("text" | "bpchar" | "json"), Some("varchar")) => to.modifier().is_empty(),
            _ => false,
        };
    if total {
        Totality::Total
    } else {
        Totality::Partial
    }
}

/// Whether a type, or what is below a domain, is one of PostgreSQL's own.
fn is_own(column_type: &ColumnType) -> bool {
    column_type.builtin().is_some()
        // Names of other schemas are printed with them.
        || (column_type.domain.as_ref()).is_some_and(|domain| !domain.base_type.contains('.'))
}

/// Whether different values stay different under the equality of the type that they are cast to.
pub(crate) fn keeps_apart(from: &ColumnType, to: &ColumnType) -> bool {
    if from.sql_type == to.sql_type && from.collation == to.collation {
        return true;
    }
    // A case-insensitive equality makes one key of two.
    if !to.deterministic {
        return false;
    }
    match (from.builtin(), to.builtin()) {
        // What each of them prints is made of its value alone, and too long or too large a value
        // is refused, not cut off.
        (Some("int2" | "int4" | "int8"), Some("int2" | "int4" | "int8" | "text" | "varchar"))
        | (Some("uuid" | "timestamptz" | "timestamp" | "date"), Some("text" | "varchar")) => true,
        (Some(from @ ("int2" | "int4" | "int8")), Some("numeric")) => holds_integer(to, from),
        (Some("numeric"), Some("numeric")) => widens_numeric(from, to),
        (Some("text" | "varchar"), Some("text" | "varchar")) => from.deterministic,
        _ => false,
    }
}

/// Whether a numeric column holds every value of an integer type.
fn holds_integer(numeric: &ColumnType, integer: &str) -> bool {
    let digits = match integer {
        "int2" => 5,
        "int4" => 10,
        _ => 19,
    };
    match numeric.modifier()[..] {
        [] => true,
        [precision] => precision >= digits,
        [precision, scale] => precision - scale >= digits && scale >= 0,
        _ => false,
    }
}

/// Whether a numeric column holds every value of another exactly.
fn widens_numeric(from: &ColumnType, to: &ColumnType) -> bool {
    let parts = |modifier: Vec<i64>| match modifier[..] {
        [precision] => Some((precision, 0)),
        [precision, scale] => Some((precision, scale)),
        _ => None,
    };
    match (parts(from.modifier()), parts(to.modifier())) {
        (_, None) => true,
        (Some((from, from_scale)), Some((to, to_scale))) => {
            to_scale >= from_scale && to - to_scale >= from - from_scale
        }
        (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column_type::ColumnType;

    fn named(sql_type: &str) -> ColumnType {
        let name = match sql_type.split('(').next().unwrap_or_default() {
            "integer" => "int4",
            "bigint" => "int8",
            "smallint" => "int2",
            "character varying" => "varchar",
            "character" => "bpchar",
            "timestamp with time zone" => "timestamptz",
            other => other,
        };
        ColumnType::builtin_of(sql_type, name)
    }

    #[test]
    fn only_what_is_proved_counts_as_total() {
        let total = [
            ("integer", "bigint"),
            ("integer", "numeric"),
            ("integer", "numeric(12,2)"),
            ("bigint", "text"),
            ("uuid", "text"),
            ("character varying(10)", "character varying(20)"),
            ("character varying(10)", "character varying"),
            ("numeric(10,2)", "numeric(12,3)"),
        ];
        for (from, to) in total {
            assert_eq!(
                totality(&named(from), &named(to)),
                Totality::Total,
                "{from} -> {to}"
            );
        }
        let partial = [
            ("bigint", "integer"),
            ("integer", "numeric(11,2)"),
            ("text", "character varying(20)"),
            ("character varying(20)", "character varying(10)"),
            ("text", "uuid"),
            ("text", "jsonb"),
            ("numeric", "numeric(10,2)"),
            ("numeric(10,2)", "numeric(10,3)"),
            ("smallint", "oid"),
        ];
        for (from, to) in partial {
            assert_eq!(
                totality(&named(from), &named(to)),
                Totality::Partial,
                "{from} -> {to}"
            );
        }
    }

    #[test]
    fn only_what_is_proved_keeps_keys_apart() {
        for (from, to) in [
            ("integer", "bigint"),
            ("uuid", "text"),
            ("bigint", "numeric"),
            ("text", "character varying"),
        ] {
            assert!(keeps_apart(&named(from), &named(to)), "{from} -> {to}");
        }
        // 'A' and 'a' are one uuid; fractions of a second are cut off; a scale rounds.
        for (from, to) in [
            ("text", "uuid"),
            ("character(36)", "uuid"),
            ("numeric", "numeric(10,2)"),
            ("timestamp with time zone", "timestamp with time zone(0)"),
            ("numeric", "bigint"),
        ] {
            assert!(!keeps_apart(&named(from), &named(to)), "{from} -> {to}");
        }
        let mut folded = named("text");
        folded.deterministic = false;
        assert!(!keeps_apart(&named("character varying"), &folded));
    }
}
