//! The row function's first part: takes OLD's key out of the mirror, or moves its row to the new key.

use crossfade_plan::mapping::{Mapping, Volatility};
use crossfade_postgres::rule;

use crate::direction::{Direction, MirrorValues, NewRow};
use crate::refusal::{ignoring, key_can_fail, passed_on};
use crate::row_function::{IS_DELETE, IS_UPDATE, NOT_READ_COMMITTED, same_key};
use crate::sql;

/// Takes OLD's key out of the mirror, unless a row bears it again; after a DELETE that is all.
pub(crate) fn remove_old_key(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    // The old side has no chunks.
    let guard = if direction.values == MirrorValues::Made && rule::holds("dual-write/guard") {
        guard(direction)
    } else {
        String::new()
    };
    let removal = match direction.values {
        MirrorValues::Original if rule::holds("dual-write/move-key") => take_along(direction),
        MirrorValues::Original | MirrorValues::Made => {
            let gone = if rule::holds("dual-write/only-gone") {
                format!(" and not {}", written_row_exists(mapping, "old"))
            } else {
                String::new()
            };
            format!("    {}\n", delete_image(mapping, "old", &gone))
        }
    };
    let removal = guard + &removal;
    let removal = match sql::key_is_given_back(mapping, "old") {
        None => removal,
        Some(given_back) => ignoring(&format!("if {given_back} then\n{removal}    end if;")),
    };
    // By image, not by equality: a key that is equal but reads differently is a change to mirror.
    format!(
        "    if {IS_DELETE} or ({IS_UPDATE} and ({}) is not true) then\n\
         {removal}      if {IS_DELETE} then return null; end if;\n    end if;",
        same_key(mapping),
    )
}

/// Whether the written side has a row of the key of `old` or `new`.
fn written_row_exists(mapping: &Mapping, row: &str) -> String {
    format!(
        "exists (select from {} where {})",
        sql::only(&mapping.source, sql::SOURCE_ALIAS),
        sql::same_source_key(mapping, sql::SOURCE_ALIAS, row),
    )
}

/// Removes the mirror's row of the key of `old` or `new`, under a further condition. Fails where the
/// key has no image.
pub(crate) fn delete_statement(mapping: &Mapping, row: &str, condition: &str) -> String {
    format!(
        "delete from {} where {}{condition};",
        sql::only(&mapping.target, sql::TARGET_ALIAS),
        sql::target_key_is_image_of(mapping, sql::TARGET_ALIAS, row),
    )
}

/// The same; where the key has no image, there is nothing to remove.
pub(crate) fn delete_image(mapping: &Mapping, row: &str, condition: &str) -> String {
    let delete = delete_statement(mapping, row, condition);
    if key_can_fail(mapping) {
        ignoring(&delete)
    } else {
        delete
    }
}

/// A row whose key has changed takes along what the mirror alone has of it: columns that were
/// dropped, and values that are kept.
///
/// Events come in the order of the writes, so the mirror has the row under its old key, and nothing
/// under the new one. Where a statement is nested in another (by a function or a trigger), its events
/// come before those of the outer one, and what the mirror has at a key may be another row's that is
/// still to move. Then values of the mirror's own are lost, or it is not known whose they are, and
/// that is recorded.
///
/// Either way each written row is in the mirror at the end, and nothing else: if another row bears the
/// old key by now, it is made anew; if its own event is still to come, that brings its values, and
/// what was made for it meanwhile is known by being no more than its image.
///
/// Where the mirror's row can't move (the new key can't be held there, or the key is GENERATED
/// ALWAYS), that is recorded too. (A key that can't be held there is recorded by the upsert.)
fn take_along(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    let passed_on = passed_on();
    let given_back = sql::key_is_given_back(mapping, "new")
        .map_or_else(String::new, |given_back| format!(" and {given_back}"));
    // A later event of the row may have been mirrored already: then it is no longer there.
    let is_there = written_row_exists(mapping, "new") + &given_back;
    let update = format!(
        "update {} set {} where {} and {is_there};",
        sql::only(&mapping.target, sql::TARGET_ALIAS),
        sql::set_target_key(mapping, "new"),
        sql::target_key_is_image_of(mapping, sql::TARGET_ALIAS, "old"),
    );
    // Keys can differ and be equal none the less (citext, the scale of a number): then the row of
    // the one is the row of the other.
    let is_of = |row| sql::target_key_is_image_of(mapping, sql::TARGET_ALIAS, row);
    let another = format!(" and not ({}) and {is_there}", is_of("old"));
    let clear = delete_statement(mapping, "new", &another);
    let gone = delete_image(mapping, "old", "");
    // A new key without an image is not the old one's.
    let left = format!(
        "begin {} exception when others then {passed_on} {gone} end;",
        delete_statement(
            mapping,
            "old",
            &format!(" and not ({}{given_back})", is_of("new"))
        ),
    );
    let record = record_loss(direction);
    let bears_it = format!(
        "{} where {}",
        sql::only(&mapping.source, sql::SOURCE_ALIAS),
        sql::same_source_key(mapping, sql::SOURCE_ALIAS, "old"),
    );
    let anew = sql::if_absent(mapping, &sql::insert_images_from(mapping, &bears_it));
    let told = |condition: &str| {
        if notices_order(direction) {
            format!("if {condition} then {record} end if;")
        } else {
            String::new()
        }
    };
    format!(
        "      if {IS_UPDATE} then\n        begin\n          {}\n          {clear}\n          {update}\n          \
         {}\n        exception when others then {passed_on}\n          \
         if pg_catalog.left(sqlstate, 2) operator(pg_catalog.<>) '22' then {record} end if;\n        \
         end;\n        {left}\n      else\n        {gone}\n      end if;\n      {}\n",
        told(&mirror_has_more(mapping, &another)),
        told(&format!("not found and {is_there}")),
        ignoring(&anew),
    )
}

/// Whether the mirror has at NEW's key a row that is more than the image of the written row of that
/// key, under a further condition: one with values of its own, which are another row's.
pub(crate) fn mirror_has_more(mapping: &Mapping, condition: &str) -> String {
    let images = mapping.forward.iter();
    let (mirror, image): (Vec<_>, Vec<_>) = images
        .filter(|image| image.volatility == Volatility::Stable)
        .map(|image| {
            let column = format!("{}.{}", sql::TARGET_ALIAS, image.column);
            (column, sql::stored(image, sql::SOURCE_ALIAS))
        })
        .unzip();
    format!(
        "exists (select from {} where {}{condition} and not exists (select from {} where {} \
         and {}))",
        sql::only(&mapping.target, sql::TARGET_ALIAS),
        sql::target_key_is_image_of(mapping, sql::TARGET_ALIAS, "new"),
        sql::only(&mapping.source, sql::SOURCE_ALIAS),
        sql::same_source_key(mapping, sql::SOURCE_ALIAS, "new"),
        sql::same_image(mirror, image),
    )
}

/// Whether it is recorded where the mirror has a row that in the order of the writes can't be there,
/// or has none that must be.
pub(crate) fn notices_order(direction: &Direction<'_>) -> bool {
    direction.values == MirrorValues::Original
        && direction.new_row == NewRow::Whole
        && rule::holds("dual-write/out-of-order")
}

/// Records that values which the mirror alone has are lost, or may be another row's.
pub(crate) fn record_loss(direction: &Direction<'_>) -> String {
    let key = sql::key_text(&direction.mapping.key, "new");
    direction.refusals.record(&key, "'22000'", "null", "null")
}

/// The guard of transactions above READ COMMITTED: their snapshot may be older than the chunk that
/// copied the row, so their DELETE in the mirror would find nothing and the row would live on.
/// An insert meets the row in the unique index all the same, and `on conflict` then answers 40001
/// if the snapshot does not see it.
///
/// `do nothing` checks that as `do update` does, and leaves no dead version where the row is
/// visible. The image of OLD is what was copied: another version would have failed the
/// application's own statement. Where OLD has no image, or the mirror refuses it for another
/// reason, no copy of it exists, and there is nothing to guard against.
fn guard(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    let insert = sql::if_absent(mapping, &sql::insert_image_of(mapping, "old"));
    format!(
        "    if {NOT_READ_COMMITTED} then\n      {}\n    end if;\n",
        ignoring(&insert)
    )
}
