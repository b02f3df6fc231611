//! Fragments of SQL that follow from a mapping: shared by the trigger functions, the chunk
//! statement and the comparison, so that `f` means one thing.
//!
//! Conventions: the written side is read under the alias `src`, the mirror under `dst`. A user's
//! expression is put where `src` is the only thing in scope, with its bare column names, in
//! parentheses on lines of its own (it may end in a comment). Nothing is ever replaced inside it.

use crossfade_plan::QualifiedName;
use crossfade_plan::mapping::{Image, KeyColumn, Mapping, Operator, Rewrite, Value};
use crossfade_postgres::rule;

/// Alias of the written side.
pub const SOURCE_ALIAS: &str = "src";
/// Alias of the mirror.
pub const TARGET_ALIAS: &str = "dst";

/// Joins fragments by `, `.
pub fn list<T: ToString>(fragments: impl IntoIterator<Item = T>) -> String {
    join(fragments, ", ")
}

/// Joins conditions by ` and `.
pub fn all<T: ToString>(conditions: impl IntoIterator<Item = T>) -> String {
    join(conditions, " and ")
}

/// Whether two lists of values are the same by image, not by equality: NULL is like NULL, and `1.0` is
/// not `1.00`.
pub(crate) fn same_image<T: ToString>(
    one: impl IntoIterator<Item = T>,
    other: impl IntoIterator<Item = T>,
) -> String {
    format!(
        "pg_catalog.record_image_eq(row({}), row({}))",
        list(one),
        list(other)
    )
}

fn join<T: ToString>(fragments: impl IntoIterator<Item = T>, by: &str) -> String {
    fragments
        .into_iter()
        .map(|fragment| fragment.to_string())
        .collect::<Vec<_>>()
        .join(by)
}

/// The value of an image over `row` (an alias, or the trigger's `old` and `new`), as it is
/// assigned to its column.
///
/// For an expression, `row` must be the only relation in scope.
pub fn assigned(image: &Image, row: &str) -> String {
    match &image.value {
        Value::Column(column) => format!("{row}.{column}"),
        Value::Cast(column) => format!("{row}.{column}::{}", image.base_type),
        Value::Expression(expression) => format!("(\n{expression}\n)"),
    }
}

/// The value of an image as the column holds it, type modifier and all: for comparing.
///
/// The explicit cast differs from an assignment only where a value is too long, and such a row
/// was refused when it was copied: it shows as missing.
pub fn stored(image: &Image, row: &str) -> String {
    format!("{}::{}", assigned(image, row), image.sql_type)
}

/// The equality of a key's own operator class, with its schema: under the pinned `search_path` a bare
/// `=` fails (ltree) or is that of another type (text for citext).
fn equals(operator: &Operator) -> String {
    if rule::holds("dual-write/key-operator") {
        operator.to_string()
    } else {
        operator.symbol.clone()
    }
}

/// The columns that the images set.
pub fn columns(images: &[Image]) -> String {
    list(images.iter().map(|image| &image.column))
}

/// The values of all images over `row`, in the order of [`columns`].
fn values(images: &[Image], row: &str) -> String {
    list(images.iter().map(|image| assigned(image, row)))
}

/// The columns of the mirror's key: the arbiter. `on conflict` without one would swallow the
/// violation of any other unique constraint, and with it a row.
pub fn arbiter(mapping: &Mapping) -> String {
    list(mapping.key.iter().map(|key| &key.target))
}

/// `on conflict (key) do update` of every column that a later write sets again.
pub fn on_conflict_update(mapping: &Mapping) -> String {
    on_conflict_set(
        mapping,
        rewritten(mapping).map(|image| format!("{0} = excluded.{0}", image.column)),
    )
}

/// `on conflict (key) do update` of what is given.
pub(crate) fn on_conflict_set(mapping: &Mapping, sets: impl IntoIterator<Item = String>) -> String {
    let (arbiter, sets) = (arbiter(mapping), list(sets));
    if sets.is_empty() {
        format!("on conflict ({arbiter}) do nothing")
    } else {
        format!("on conflict ({arbiter}) do update set {sets}")
    }
}

/// The images that a later write sets again.
pub(crate) fn rewritten(mapping: &Mapping) -> impl Iterator<Item = &Image> {
    let images = mapping.forward.iter();
    images.filter(|image| image.rewrite == Rewrite::Always)
}

/// The written side's key under `alias` equals the key of the row `row`.
pub fn same_source_key(mapping: &Mapping, alias: &str, row: &str) -> String {
    all(mapping.key.iter().map(|key| {
        format!(
            "{alias}.{0} {1} {row}.{0}",
            key.source,
            equals(&key.source_equality)
        )
    }))
}

/// The mirror's key under `alias` equals the image of the key of `row`, where `row` is a trigger's
/// `old` or `new`.
pub fn target_key_is_image_of(mapping: &Mapping, alias: &str, row: &str) -> String {
    all(mapping
        .key
        .iter()
        .zip(key_image_of(mapping, row))
        .map(|(key, value)| {
            format!(
                "{alias}.{} {} {value}",
                key.target,
                equals(&key.target_equality)
            )
        }))
}

/// Sets the mirror's key to the image of the key of `row`, which is as above.
pub(crate) fn set_target_key(mapping: &Mapping, row: &str) -> String {
    list(
        mapping
            .key
            .iter()
            .zip(key_image_of(mapping, row))
            .map(|(key, value)| format!("{} = {value}", key.target)),
    )
}

/// The image of the key of `row`, column by column.
fn key_image_of(mapping: &Mapping, row: &str) -> impl Iterator<Item = String> {
    mapping.key_images().map(move |image| match &image.value {
        // Bare names need a relation in scope.
        Value::Expression(_) => format!(
            "(select {} from (select {row}.*) as {SOURCE_ALIAS})",
            assigned(image, SOURCE_ALIAS)
        ),
        Value::Column(_) | Value::Cast(_) => assigned(image, row),
    })
}

/// Whether the key of `row` (an alias, or the trigger's `old` and `new`) is what its image gives
/// back; `None` where it always is. Fails where the key has no image.
///
/// Another key may have the same image ('1' and '01' as 1): it is that one's row which the mirror has.
pub(crate) fn key_is_given_back(mapping: &Mapping, row: &str) -> Option<String> {
    let (there_and_back, key): (Vec<_>, Vec<_>) = mapping
        .key
        .iter()
        .zip(mapping.key_images())
        .filter(|(key, image)| key.may_meet() && matches!(image.value, Value::Cast(_)))
        .map(|(key, _)| {
            let value = format!("{row}.{}", key.source);
            let back = format!("{value}::{}::{}", key.target_type, key.source_type);
            (back, value)
        })
        .unzip();
    if key.is_empty() || !rule::holds("dual-write/given-back") {
        return None;
    }
    Some(same_image(there_and_back, key))
}

/// A join of the mirror's key with the image of `src`'s key, where both `src` and `dst` are in
/// scope: the keys' images come as the columns of a lateral relation, so that the bare names of an
/// expression can't be caught by the mirror's columns.
pub fn lateral_key(mapping: &Mapping) -> LateralKey {
    let images: Vec<&Image> = mapping.key_images().collect();
    if images
        .iter()
        .all(|image| !matches!(image.value, Value::Expression(_)))
    {
        let condition = all(mapping.key.iter().zip(&images).map(|(key, image)| {
            format!(
                "{TARGET_ALIAS}.{} {} {}",
                key.target,
                equals(&key.target_equality),
                compared(key, image)
            )
        }));
        return LateralKey {
            join: String::new(),
            condition,
        };
    }
    let name = |at: usize| format!("\"crossfade key {at}\"");
    let values = (images.iter().enumerate())
        .map(|(at, image)| format!("{} as {}", assigned(image, SOURCE_ALIAS), name(at)));
    let equal = (mapping.key.iter().enumerate()).map(|(at, key)| {
        format!(
            "{TARGET_ALIAS}.{} {} image.{}",
            key.target,
            equals(&key.target_equality),
            name(at)
        )
    });
    LateralKey {
        join: format!(" cross join lateral (select {}) as image", list(values)),
        condition: all(equal),
    }
}

/// The image of `src`'s key as it is compared with the mirror's: integers of two sizes without a
/// cast, since the operators between them serve the indexes of both sides.
fn compared(key: &KeyColumn, image: &Image) -> String {
    let is_integer = |sql_type: &str| matches!(sql_type, "smallint" | "integer" | "bigint");
    match &image.value {
        Value::Cast(column) if is_integer(&key.source_type) && is_integer(&key.target_type) => {
            format!("{SOURCE_ALIAS}.{column}")
        }
        _ => assigned(image, SOURCE_ALIAS),
    }
}

/// See [`lateral_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateralKey {
    /// Goes behind the written side in FROM; empty where it is not needed.
    pub join: String,
    /// `dst`'s key equals the image of `src`'s.
    pub condition: String,
}

/// `insert` of the images of some rows of the written side, without what follows its SELECT.
///
/// GENERATED ALWAYS identities take the given value by `overriding system value`.
fn insert_images(mapping: &Mapping) -> String {
    let overriding = if rule::holds("dual-write/overriding") {
        " overriding system value"
    } else {
        ""
    };
    format!(
        "insert into {} as {TARGET_ALIAS} ({}){overriding}",
        mapping.target,
        columns(&mapping.forward)
    )
}

/// `insert` of the images of the rows that `from` gives, under the written side's alias and perhaps a
/// condition; a conflict is for what follows.
pub(crate) fn insert_images_from(mapping: &Mapping, from: &str) -> String {
    format!(
        "{} select {} from {from}",
        insert_images(mapping),
        values(&mapping.forward, SOURCE_ALIAS)
    )
}

/// `insert` of the image of the row that a trigger was given: `old` or `new`.
///
/// Bare names in an expression are columns of a relation. Where there is no expression there is no
/// relation: that saves a fiftieth of the mirroring.
pub(crate) fn insert_image_of(mapping: &Mapping, row: &str) -> String {
    let is_expression = |image: &Image| matches!(image.value, Value::Expression(_));
    if mapping.forward.iter().any(is_expression) {
        insert_images_from(mapping, &format!("(select {row}.*) as {SOURCE_ALIAS}"))
    } else {
        let image = values(&mapping.forward, row);
        format!("{} select {image}", insert_images(mapping))
    }
}

/// What adds only rows that the mirror lacks.
pub(crate) fn if_absent(mapping: &Mapping, insert: &str) -> String {
    format!("{insert} on conflict ({}) do nothing;", arbiter(mapping))
}

/// A key column's name on the written side, for the text form of a key.
pub fn key_text(keys: &[KeyColumn], row: &str) -> String {
    format!(
        "array[{}]",
        list(keys.iter().map(|key| format!("{row}.{}::text", key.source)))
    )
}

/// `only` keeps a statement from descending into children that are none of its business.
pub fn only(relation: &QualifiedName, alias: &str) -> String {
    format!("only {relation} as {alias}")
}

/// Quotes a text as a string literal. For names inside function bodies, where no parameter can be.
pub fn literal(text: &str) -> String {
    postgres_protocol::escape::escape_literal(text)
}

/// Wraps a function body in a dollar quote that does not occur in it.
pub fn dollar_quoted(body: &str) -> String {
    let mut tag = String::from("$crossfade$");
    let mut number = 0;
    while body.contains(&tag) {
        number += 1;
        tag = format!("$crossfade{number}$");
    }
    format!("{tag}\n{body}\n{tag}")
}

/// Takes every right on an object (`table "a"."b"`) from everybody but its owner, whom `acl`
/// returns as `owner` beside the rights as `acl`.
///
/// Default privileges have added rights when the object was made, and which they are depends on
/// who made it: whatever is there is revoked by name.
pub fn revoke_from_others(object: &str, acl: &str) -> String {
    // `format` reads a percent sign in the name as its own.
    let revoke = format!("revoke all on {} from %s", object.replace('%', "%%"));
    let body = format!(
        "declare\n  given record;\nbegin\n  for given in\n    select distinct item.grantee\n    \
         from ({acl}) as object, pg_catalog.aclexplode(object.acl) as item\n    \
         where item.grantee <> object.owner\n  loop\n    \
         execute pg_catalog.format({}, case given.grantee when 0 then 'public'\n      \
         else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(given.grantee)) end);\n  \
         end loop;\nend",
        literal(&revoke)
    );
    format!("do {}", dollar_quoted(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_cannot_end_its_own_quote() {
        let quoted = dollar_quoted("select '$crossfade$'");
        assert!(
            quoted.starts_with("$crossfade1$") && quoted.ends_with("$crossfade1$"),
            "{quoted}"
        );
    }
}
