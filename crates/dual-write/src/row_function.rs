//! The function of the row trigger: makes the mirror's row what the written row is now.
//!
//! It never writes a NEW that is stale. Within one statement a trigger of row 1 may change row 2
//! before our event for row 2 fires. Reading the row again, by key, gives what is there now, whatever
//! the order in which the events fire; that is left out only where nobody has touched NEW's version
//! of the row.
//!
//! All that is ours is qualified, operators and types among it: the body means the same under any
//! `search_path`, and a function that holds nothing of the user's does without one of its own.

use std::collections::BTreeSet;

use crossfade_plan::Ident;
use crossfade_plan::mapping::{KeyColumn, Mapping, Rewrite, Volatility};
use crossfade_postgres::rule;

use crate::direction::{Direction, MirrorValues, NewRow};
use crate::kept;
use crate::old_key::{
    delete_image, delete_statement, mirror_has_more, notices_order, record_loss, remove_old_key,
};
use crate::refusal::passed_on;
use crate::sql;

/// The body of the function.
pub(crate) fn body(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    let mut parts = vec!["#variable_conflict use_column".to_owned()];
    if direction.can_refuse() {
        parts.push("declare\n  refused_column text;\n  refused_constraint text;".to_owned());
    }
    parts.push("begin".to_owned());
    // An update that leaves the key alone is what most writes are: one condition lets it pass.
    parts.push(format!(
        "  if ({}) is not true or {NOT_READ_COMMITTED} then",
        same_key(mapping)
    ));
    if rule::holds("dual-write/lock-key") {
        parts.push(lock_current_keys(mapping));
    }
    parts.push(remove_old_key(direction));
    parts.push("  end if;".to_owned());
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
        "    if {NOT_READ_COMMITTED} then\n      \
             if {NOT_INSERT} then {} end if;\n      \
             if {NOT_DELETE} then {} end if;\n    \
           end if;",
        lock("old"),
        lock("new")
    )
}

const NOT_INSERT: &str = "tg_op operator(pg_catalog.<>) 'INSERT'";
const NOT_DELETE: &str = "tg_op operator(pg_catalog.<>) 'DELETE'";
const IS_INSERT: &str = "tg_op operator(pg_catalog.=) 'INSERT'";
/// What an event is. Only where no column is in scope: one may be called `tg_op`.
pub(crate) const IS_DELETE: &str = "tg_op operator(pg_catalog.=) 'DELETE'";
pub(crate) const IS_UPDATE: &str = "tg_op operator(pg_catalog.=) 'UPDATE'";

/// READ UNCOMMITTED counts as a higher level: that costs it two locks and changes nothing.
pub(crate) const NOT_READ_COMMITTED: &str =
    "pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.<>) 'read committed'";

/// Whether OLD and NEW bear one key that reads the same; NULL or false where one of them is not there.
///
/// Where equal values are always the same bytes, the key's own operator tells, which costs a third.
pub(crate) fn same_key(mapping: &Mapping) -> String {
    if mapping.key.iter().all(KeyColumn::equal_is_identical) {
        return sql::same_source_key(mapping, "old", "new");
    }
    same(mapping.key.iter().map(|key| &key.source), "new")
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
    let source = sql::SOURCE_ALIAS;
    let key = sql::same_source_key(mapping, source, "new");
    let written = sql::only(&mapping.source, source);
    let read_again = upsert(
        direction,
        &sql::insert_images_from(mapping, &format!("{written} where {key}{limit}")),
        |columns| {
            // What a later event has written of a row that has moved since went with its old place.
            format!(
                "{} and (({}) or (select {} from {written} where {key}{limit}))",
                same(columns, "new"),
                same_key(mapping),
                same(columns, source),
            )
        },
    );
    let new = || {
        let image = sql::insert_image_of(mapping, "new");
        upsert(direction, &image, |columns| same(columns, "new"))
    };
    let upsert = if !rule::holds("dual-write/re-read") {
        new()
    } else if direction.new_row == NewRow::Whole {
        format!(
            "if {NEW_IS_UNTOUCHED} then\n    {}\n  else\n    {}{read_again}\n  end if;",
            new(),
            written_by_and_gone(direction),
        )
    } else {
        read_again
    };
    let upsert = made_anew(direction) + &upsert;
    let upsert = match sql::key_is_given_back(mapping, "new") {
        None => upsert,
        Some(given_back) => format!(
            "if {given_back} then\n  {upsert}\n  else\n    {}\n  end if;",
            record_loss(direction)
        ),
    };
    if direction.can_refuse() && rule::holds("dual-write/refusals-recorded") {
        format!("  {}", recording_refusal(direction, &upsert))
    } else {
        format!("  {upsert}")
    }
}

/// Whether these columns of OLD are those of another row, by image.
fn same<'a>(columns: impl IntoIterator<Item = &'a Ident>, row: &str) -> String {
    let columns: Vec<_> = columns.into_iter().collect();
    let of = |row: &str| -> Vec<String> {
        let columns = columns.iter();
        columns.map(|column| format!("{row}.{column}")).collect()
    };
    sql::same_image(of("old"), of(row))
}

/// What of the mirror's row no upsert can set, so that the row has to go before: that of a column
/// which takes a value only when the row is added (GENERATED ALWAYS), and all that the mirror alone
/// has of another row, where a new row bears the key of one whose own event is still to come.
fn made_anew(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    let mut cases = Vec::new();
    if notices_order(direction) {
        cases.push(format!(
            "({IS_INSERT} and {} and {})",
            new_is_live(mapping),
            mirror_has_more(mapping, "")
        ));
    }
    let columns = added_once(mapping);
    if !columns.is_empty() {
        cases.push(format!("({IS_UPDATE} and not {})", same(columns, "new")));
    }
    if cases.is_empty() {
        return String::new();
    }
    let told = if direction.values == MirrorValues::Original {
        format!(" if found then {} end if;", record_loss(direction))
    } else {
        String::new()
    };
    format!(
        "if {} then {}{told} end if;\n  ",
        cases.join(" or "),
        delete_statement(mapping, "new", "")
    )
}

/// The written side's columns of which the mirror takes a value only when the row is added.
fn added_once(mapping: &Mapping) -> BTreeSet<&Ident> {
    let images = mapping.forward.iter().filter(|image| {
        let once = image.rewrite == Rewrite::Never && image.volatility == Volatility::Stable;
        once && !mapping.is_key(&image.column) && rule::holds("dual-write/added-once")
    });
    images.flat_map(|image| &image.reads).collect()
}

/// Records a write of what stands for the mirror's own values, where the version that it wrote is no
/// longer the row: a nested statement may have moved the row away, and its event took the values along
/// as they were.
fn written_by_and_gone(direction: &Direction<'_>) -> String {
    let mapping = direction.mapping;
    if !notices_order(direction) {
        return String::new();
    }
    let groups = kept::kept(mapping);
    let stands_for = groups.iter().flat_map(|group| &group.stands_for);
    let columns: BTreeSet<&Ident> = stands_for.chain(added_once(mapping)).collect();
    if columns.is_empty() {
        return String::new();
    }
    format!(
        "if {IS_UPDATE} and not {} and not {} then {} end if;\n    ",
        same(columns, "new"),
        new_is_live(mapping),
        record_loss(direction)
    )
}

/// Nobody has updated, deleted or locked this version of the row: whoever does leaves his transaction
/// in it, for good if he commits. No other transaction can, before this one ends; so it is a test for
/// what this one has done since. What it has undone by a savepoint, and its own locks, count too: the
/// row is read again without need.
///
/// The re-read costs a tenth of the mirroring, and this a fiftieth.
const NEW_IS_UNTOUCHED: &str = "new.xmax operator(pg_catalog.=) '0'::pg_catalog.xid";

/// NEW's version of the row is the row, whoever has locked it.
fn new_is_live(mapping: &Mapping) -> String {
    format!(
        "({NEW_IS_UNTOUCHED} or exists (select from {} where {}.ctid operator(pg_catalog.=) new.ctid))",
        sql::only(&mapping.source, sql::SOURCE_ALIAS),
        sql::SOURCE_ALIAS,
    )
}

/// Makes the mirror's row of the one image that `insert` would add. `untouched` says which columns
/// the write has left as they were, where only the mirror's row is in scope.
fn upsert(
    direction: &Direction<'_>,
    insert: &str,
    untouched: impl Fn(&BTreeSet<Ident>) -> String,
) -> String {
    let mapping = direction.mapping;
    let on_conflict = match direction.values {
        MirrorValues::Original if rule::holds("dual-write/keep-old") => {
            sql::on_conflict_set(mapping, kept::sets(mapping, untouched))
        }
        MirrorValues::Original | MirrorValues::Made => sql::on_conflict_update(mapping),
    };
    format!("{insert} {on_conflict};")
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
    let passed_on = passed_on();
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
