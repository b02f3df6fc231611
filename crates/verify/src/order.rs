//! Which key images keep the order of keys, so that one interval holds the same rows on both sides.
//!
//! The table names what is proved; everything else counts as out of order. A wrong entry would
//! make chunks disagree: rows on the far side of a boundary show as missing.

use crossfade_plan::mapping::{Image, KeyColumn, Value};

/// Whether the key's order in the target is its order in the source, given the same collation.
pub(crate) fn keeps_order(key: &KeyColumn, image: &Image) -> bool {
    if matches!(image.value, Value::Expression(_)) {
        return false;
    }
    let (from, to) = (base(&key.source_type), base(&key.target_type));
    from == to
        || both_integers(key, image)
        || matches!(
            (from.as_str(), to.as_str()),
            ("smallint" | "integer" | "bigint", "numeric")
                | ("real", "double precision")
                | ("date", "timestamp without time zone")
                | ("text", "character varying")
                | ("character varying", "text")
        )
}

/// Whether both sides are the same integer: the operators of their family compare them as they are, and
/// each side's index serves them.
pub(crate) fn both_integers(key: &KeyColumn, image: &Image) -> bool {
    let integer = |name: &str| matches!(name, "smallint" | "integer" | "bigint");
    let plain = |schema: &str| schema == "pg_catalog";
    !matches!(image.value, Value::Expression(_))
        && integer(&key.source_type)
        && integer(&key.target_type)
        && plain(key.source_equality.schema.as_str())
        && plain(key.target_equality.schema.as_str())
}

/// A type without its modifier: `timestamp(3) without time zone` is `timestamp without time zone`.
fn base(sql_type: &str) -> String {
    match (sql_type.find('('), sql_type.find(')')) {
        // A quoted name may hold parentheses; it is then equal to itself at most.
        (Some(open), Some(close)) if open < close && !sql_type.contains('"') => {
            format!("{}{}", &sql_type[..open], &sql_type[close + 1..])
        }
        _ => sql_type.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_cut_out() {
        assert_eq!(
            base("timestamp(3) without time zone"),
            "timestamp without time zone"
        );
        assert_eq!(base("numeric(10,2)"), "numeric");
        assert_eq!(base("public.\"a(1)\""), "public.\"a(1)\"");
    }
}
