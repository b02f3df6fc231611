//! The statement that copies the rows of one range of blocks.
//!
//! Its parameters are the first and the last tuple id as texts: `$1` belongs to the range, `$2` no
//! longer does. Rows that somebody else holds are skipped, so that a chunk never waits while it
//! holds locks; the closing pass finds them again.

use crossfade_plan::mapping::Mapping;
use crossfade_postgres::rule;

use crate::sql;

/// What the statement of a chunk does with rows that the mirror has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It takes them for absent, and fails with 23505 if one is there. For a range that nobody has
    /// written since dual-write began: the look-ups are a quarter of the other statement's time.
    Refused,
    /// It leaves them out. It fails with 23505 where a trigger wrote a key after its snapshot.
    LeftOut,
    /// It leaves them as the triggers made them, also where one comes after its snapshot. For a
    /// range in which writers are active: this costs 1.6 times as much for every row.
    Kept,
}

/// Copies the rows of a range that the mirror lacks. Returns one row: how many rows it `inserted`,
/// and how many it `found` in the range, both `int8`.
///
/// One statement is one snapshot, and each row that is inserted is one that was found: equal
/// counts prove that nothing of the range is missing. A second scan of pages that were just read
/// costs nothing measurable beside the insert, and spares the closing pass the range.
///
/// After 23505 the chunk is run again, in a new transaction, in the next of the three ways.
pub fn chunk_statement(mapping: &Mapping, existing: Existing) -> String {
    format!(
        "with copied as ({} returning 1) \
         select (select pg_catalog.count(*) from copied) as inserted, \
         (select pg_catalog.count(*) from {} where {IN_RANGE}) as found",
        copy(mapping, existing),
        sql::only(&mapping.source, SOURCE),
    )
}

fn copy(mapping: &Mapping, existing: Existing) -> String {
    let (join, absent) = match existing {
        Existing::Refused => (String::new(), String::new()),
        Existing::LeftOut | Existing::Kept => absent(mapping),
    };
    let conflict = match existing {
        Existing::Refused | Existing::LeftOut => String::new(),
        Existing::Kept => format!(" on conflict{} do nothing", arbiter(mapping)),
    };
    format!(
        "{}{join} where {IN_RANGE}{absent}{}{conflict}",
        sql::insert_images_from(mapping, &sql::only(&mapping.source, SOURCE)),
        row_lock(),
    )
}

/// A join and a condition: the mirror has no row of the key.
fn absent(mapping: &Mapping) -> (String, String) {
    let key = sql::lateral_key(mapping);
    let mirror = sql::only(&mapping.target, sql::TARGET_ALIAS);
    let condition = format!(
        " and not exists (select from {mirror} where {})",
        key.condition
    );
    (key.join, condition)
}

/// Without the lock, a row that is deleted after the statement's snapshot would be copied, and live
/// on. A wait for it would be a wait while rows are held: skipped, it is found again.
fn row_lock() -> String {
    match (
        rule::holds("backfill/row-lock"),
        rule::holds("backfill/skip-locked"),
    ) {
        (true, true) => format!(" for no key update of {SOURCE} skip locked"),
        (true, false) => format!(" for no key update of {SOURCE}"),
        (false, _) => String::new(),
    }
}

/// The arbiter is named: without one, the violation of any other unique constraint would be
/// swallowed, and a row with it.
fn arbiter(mapping: &Mapping) -> String {
    if rule::holds("backfill/arbiter") {
        format!(" ({})", sql::arbiter(mapping))
    } else {
        String::new()
    }
}

/// Keys (as text) of the rows of a range that the mirror lacks, at most `limit` of them: what a
/// chunk skipped because somebody else held it. Takes no row lock.
pub fn missing_statement(mapping: &Mapping, limit: u32) -> String {
    let key = sql::key_text(&mapping.key, SOURCE);
    format!("{} limit {limit}", missing(mapping, &key))
}

/// Backend process ids of those who hold the rows of a range that the mirror lacks, where one
/// transaction alone holds a row: several have no id in common that could be looked up.
pub fn holders_statement(mapping: &Mapping, limit: u32) -> String {
    format!(
        "select distinct l.pid from ({}) as held \
         join pg_catalog.pg_locks l on l.locktype = 'transactionid' and l.granted \
         and l.transactionid = held.holder and l.pid is not null limit {limit}",
        missing(mapping, &format!("{SOURCE}.xmax as holder"))
    )
}

/// What `select` says of the rows of a range that the mirror lacks.
fn missing(mapping: &Mapping, select: &str) -> String {
    let (join, absent) = absent(mapping);
    format!(
        "select {select} from {}{join} where {IN_RANGE}{absent}",
        sql::only(&mapping.source, SOURCE),
    )
}

/// The key (as text) of the row at a tuple id of the written side.
pub fn key_at_statement(mapping: &Mapping) -> String {
    format!(
        "select {} as key from {} where {SOURCE}.ctid = $1::text::pg_catalog.tid",
        sql::key_text(&mapping.key, SOURCE),
        sql::only(&mapping.source, SOURCE),
    )
}

const SOURCE: &str = sql::SOURCE_ALIAS;
/// `SOURCE` in it is [`sql::SOURCE_ALIAS`].
const IN_RANGE: &str =
    "src.ctid >= $1::text::pg_catalog.tid and src.ctid < $2::text::pg_catalog.tid";
