//! The function of the row trigger: makes the mirror's row what the written row is now.
//!
//! It never writes NEW. Within one statement a trigger of row 1 may change row 2 before our event
//! for row 2 fires; its NEW is then stale. Reading the row again, by key, gives what is there now,
//! whatever the order in which the events fire.
//!
//! All that is ours is qualified, operators and types among it: the body means the same under any
//! `search_path`, and a function that holds nothing of the user's does without one of its own.

use crossfade_plan::mapping::{Mapping, Totality, Value};
use crossfade_postgres::rule;

use crate::direction::{Direction, MirrorValues};
use crate::kept::{self, Keeping};
use crate::sql;

/// Errors of a partial mapping that are the row's own matter. What concerns the transaction or
/// the server (rollback, resources, locks, cancel, system) goes through to the application as it
/// would without us.
fn not_the_rows() -> &'static str {
    if rule::holds("dual-write/pass-others") {
        "if pg_catalog.left(sqlstate, 2) operator(pg_catalog.=) any \
         ('{40,53,55,57,58,XX}'::pg_catalog.text[]) then raise; end if;"
    } else {
        ""
    }
}

/// The body of the function.
pub(crate) fn body(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    let mut parts = vec!["#variable_conflict use_column".to_owned()];
    if direction.can_refuse() {
        parts.push("declare\n  refused_column text;\n  refused_constraint text;".to_owned());
    }
    parts.push("begin".to_owned());
    if rule::holds("dual-write/lock-key") {
        parts.push(lock_current_keys(mapping));
    }
    parts.push(remove_old_key(direction));
    parts.push(mirror_current_row(direction));
    parts.push("  return null;\nend".to_owned());
    let body = parts.join("\n");
    if rule::holds("dual-write/qualified") {
        body
    } else {
        body.replace("operator(pg_catalog.=)", "=")
            .replace("operator(pg_catalog.<>)", "<>")
    }
}

/// A snapshot that is older than the row it is about to mirror must fail here with 40001, which
/// such transactions repeat; later, the upsert would meet two versions and fail with 21000.
fn lock_current_keys(mapping: &Mapping) -> String {
    let source = sql::only(&mapping.source, sql::SOURCE_ALIAS);
    let lock = |row: &str| {
        format!(
            "perform from {source} where {} for key share;",
            sql::same_source_key(mapping, sql::SOURCE_ALIAS, row)
        )
    };
    format!(
        "  if {NOT_READ_COMMITTED} then\n    \
           if {NOT_INSERT} then {} end if;\n    \
           if {NOT_DELETE} then {} end if;\n  \
         end if;",
        lock("old"),
        lock("new")
    )
}

const NOT_INSERT: &str = "tg_op operator(pg_catalog.<>) 'INSERT'";
const NOT_DELETE: &str = "tg_op operator(pg_catalog.<>) 'DELETE'";
const IS_DELETE: &str = "tg_op operator(pg_catalog.=) 'DELETE'";
const IS_UPDATE: &str = "tg_op operator(pg_catalog.=) 'UPDATE'";

/// READ UNCOMMITTED counts as a higher level: that costs it two locks and changes nothing.
const NOT_READ_COMMITTED: &str =
    "pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.<>) 'read committed'";

/// Takes OLD's key out of the mirror, unless a row bears it again.
fn remove_old_key(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    let guard = if rule::holds("dual-write/guard") {
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
    // By image, not by equality: a key that is equal but reads differently is a change to mirror.
    format!(
        "  if {IS_DELETE} or ({IS_UPDATE} and pg_catalog.record_image_ne(row({}), row({}))) then\n\
         {guard}{removal}  end if;",
        sql::source_key(mapping, "old"),
        sql::source_key(mapping, "new"),
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
fn delete_statement(mapping: &Mapping, row: &str, condition: &str) -> String {
    format!(
        "delete from {} where {}{condition};",
        sql::only(&mapping.target, sql::TARGET_ALIAS),
        sql::target_key_is_image_of(mapping, sql::TARGET_ALIAS, row),
    )
}

/// The same; where the key has no image, there is nothing to remove.
fn delete_image(mapping: &Mapping, row: &str, condition: &str) -> String {
    let delete = delete_statement(mapping, row, condition);
    if key_can_fail(mapping) {
        ignoring_refusal(&delete)
    } else {
        delete
    }
}

/// A row whose key has changed takes along what the mirror alone has of it: columns that were
/// dropped, and values that are kept.
///
/// What bears the new key in the mirror is another row's: this row bears that key now, so that one
/// has gone or has moved on, and took its values along in an event before this one. Likewise
/// another row may bear the old key by now. The mirror's row of it is made anew, without the values
/// of the one that left; if that other row has moved there, its own event brings its values.
///
/// Where the mirror's row can't move (the new key can't be held there, or the key is GENERATED
/// ALWAYS), that is recorded as a loss, and the row is made anew. (A key that can't be held there is
/// recorded by the upsert.)
fn take_along(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    let passed_on = not_the_rows();
    // A later event of the row may have been mirrored already: then it is no longer there.
    let is_there = written_row_exists(mapping, "new");
    let update = format!(
        "update {} set {} where {} and {is_there};",
        sql::only(&mapping.target, sql::TARGET_ALIAS),
        sql::set_target_key(mapping, "new"),
        sql::target_key_is_image_of(mapping, sql::TARGET_ALIAS, "old"),
    );
    // Keys can differ and be equal none the less (citext, the scale of a number): then the row of
    // the one is the row of the other.
    let is_of = |row| sql::target_key_is_image_of(mapping, sql::TARGET_ALIAS, row);
    let moves = format!(
        " and not ({}) and {is_there} and exists (select from {} where {})",
        is_of("old"),
        sql::only(&mapping.target, "moving"),
        sql::target_key_is_image_of(mapping, "moving", "old"),
    );
    let clear = delete_image(mapping, "new", &moves);
    let gone = delete_image(mapping, "old", "");
    // A new key without an image is not the old one's.
    let left = format!(
        "begin {} exception when others then {passed_on} {gone} end;",
        delete_statement(mapping, "old", &format!(" and not ({})", is_of("new"))),
    );
    let record = direction.refusals.record(
        &sql::key_text(&mapping.key, "new"),
        "sqlstate",
        "null",
        "null",
    );
    let anew = format!(
        "{} select {} from {} where {} on conflict ({}) do nothing;",
        sql::insert_images(mapping),
        sql::values(&mapping.forward, sql::SOURCE_ALIAS),
        sql::only(&mapping.source, sql::SOURCE_ALIAS),
        sql::same_source_key(mapping, sql::SOURCE_ALIAS, "old"),
        sql::arbiter(mapping),
    );
    format!(
        "    if {IS_UPDATE} then\n      begin {clear} {update}\n      \
         exception when others then {passed_on}\n      \
         if pg_catalog.left(sqlstate, 2) operator(pg_catalog.<>) '22' then {record} end if;\n      \
         end;\n      {left}\n    else\n      {gone}\n    end if;\n    {}\n",
        ignoring_refusal(&anew),
    )
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
    let insert = format!(
        "{} select {} from (select old.*) as {} on conflict ({}) do nothing;",
        sql::insert_images(mapping),
        sql::values(&mapping.forward, sql::SOURCE_ALIAS),
        sql::SOURCE_ALIAS,
        sql::arbiter(mapping),
    );
    format!(
        "    if {NOT_READ_COMMITTED} then\n      {}\n    end if;\n",
        ignoring_refusal(&insert)
    )
}

/// Makes the mirror's row of NEW's key what the written row is now.
fn mirror_current_row(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    // Two rows can bear one deferrable key until the end of the statement; the constraint then
    // fails the statement itself, with its own error.
    let limit = if mapping.deferrable_key {
        " limit 1"
    } else {
        ""
    };
    let (written, condition) = if rule::holds("dual-write/re-read") {
        let key = sql::same_source_key(mapping, sql::SOURCE_ALIAS, "new");
        (
            sql::only(&mapping.source, sql::SOURCE_ALIAS),
            format!(" where {key}{limit}"),
        )
    } else {
        (
            format!("(select new.*) as {}", sql::SOURCE_ALIAS),
            String::new(),
        )
    };
    let upsert = |values: &str, join: &str| {
        format!(
            "{} select {values} from {written}{join}{condition} {};",
            sql::insert_images(mapping),
            sql::on_conflict_update(mapping),
        )
    };
    let plain = upsert(&sql::values(&mapping.forward, sql::SOURCE_ALIAS), "");
    let upsert = match keeping(direction) {
        None => plain,
        Some(keeping) => {
            let keeps = upsert(&keeping.values, &keeping.join);
            if keeping.can_fail && rule::holds("dual-write/keep-or-write") {
                let passed_on = not_the_rows();
                format!("begin {keeps} exception when others then {passed_on} {plain} end;")
            } else {
                keeps
            }
        }
    };
    let upsert = if direction.can_refuse() && rule::holds("dual-write/refusals-recorded") {
        recording_refusal(direction, &upsert)
    } else {
        upsert
    };
    format!("  if {NOT_DELETE} then\n    {upsert}\n  end if;")
}

/// What the mirror keeps of its own, if it has anything.
fn keeping(direction: &Direction<'_>) -> Option<Keeping> {
    let keeps = direction.values == MirrorValues::Original && rule::holds("dual-write/keep-old");
    keeps.then(|| kept::keeping(direction.mapping)).flatten()
}

/// Runs a statement whose failure means that there is nothing to do.
fn ignoring_refusal(statement: &str) -> String {
    let passed_on = not_the_rows();
    format!("begin {statement} exception when others then {passed_on} end;")
}

/// Runs the upsert; a row that the mapping or the mirror refuses is taken out of the mirror and
/// recorded, and the application's statement succeeds.
fn recording_refusal(direction: &Direction<'_>, upsert: &str) -> String {
    let mapping = direction.mapping;
    let refusals = direction.refusals;
    let remove = if refusals.remove_from_mirror() {
        delete_image(mapping, "new", "")
    } else {
        String::new()
    };
    let passed_on = not_the_rows();
    let record = refusals.record(
        &sql::key_text(&mapping.key, "new"),
        "sqlstate",
        "refused_column",
        "refused_constraint",
    );
    format!(
        "begin\n      {upsert}\n    exception when others then\n      {passed_on}\n      \
         get stacked diagnostics refused_column = column_name, refused_constraint = constraint_name;\n      \
         {remove}\n      {record}\n    end;",
    )
}

/// Whether the image of a key can fail.
fn key_can_fail(mapping: &Mapping) -> bool {
    mapping.key_images().any(|image| {
        image.totality == Totality::Partial || matches!(image.value, Value::Expression(_))
    })
}
