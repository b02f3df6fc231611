//! Statements that bring single rows of the mirror in line, by key: for rows that were refused
//! once, and for repair.
//!
//! Parameters are the texts of the written side's key columns, in the key's order.

use crossfade_plan::mapping::Mapping;

use crate::sql;

/// Makes the mirror's row what the written row is now, under the written row's lock, so that no
/// writer is between the reading and the writing. Touches no row where the written row is gone, nor
/// where its key is not one that the mirror can give back.
pub fn rederive_statement(mapping: &Mapping) -> String {
    let given_back = sql::key_is_given_back(mapping, sql::SOURCE_ALIAS)
        .map_or_else(String::new, |given_back| format!(" and {given_back}"));
    format!(
        "{} where {}{given_back} for no key update of {} {}",
        sql::insert_images_from(mapping, &sql::only(&mapping.source, sql::SOURCE_ALIAS)),
        sql::all(mapping.key.iter().enumerate().map(|(at, key)| {
            format!(
                "{}.{} {} ${}::text::{}",
                sql::SOURCE_ALIAS,
                key.source,
                key.source_equality,
                at + 1,
                key.source_type
            )
        })),
        sql::SOURCE_ALIAS,
        sql::on_conflict_update(mapping),
    )
}

/// Locks the mirror's row of a key of the mirror.
///
/// To be sent before [`remove_orphan_statement`], as a statement of its own: a writer that brings
/// the key back at this moment has its mirrored row waiting behind this lock, and the next
/// statement's snapshot sees the written row, or the writer's upsert finds the row gone and
/// inserts it.
pub fn lock_orphan_statement(mapping: &Mapping) -> String {
    format!(
        "select 1 from {} where {} for update of {}",
        sql::only(&mapping.target, sql::TARGET_ALIAS),
        target_key(mapping),
        sql::TARGET_ALIAS,
    )
}

/// Removes a row of the mirror, by the mirror's key, that has no written row.
pub fn remove_orphan_statement(mapping: &Mapping) -> String {
    let key = sql::lateral_key(mapping);
    format!(
        "delete from {} where {} and not exists (select from {}{} where {})",
        sql::only(&mapping.target, sql::TARGET_ALIAS),
        target_key(mapping),
        sql::only(&mapping.source, sql::SOURCE_ALIAS),
        key.join,
        key.condition,
    )
}

fn target_key(mapping: &Mapping) -> String {
    sql::all(mapping.key.iter().enumerate().map(|(at, key)| {
        format!(
            "{}.{} {} ${}::text::{}",
            sql::TARGET_ALIAS,
            key.target,
            key.target_equality,
            at + 1,
            key.target_type
        )
    }))
}
