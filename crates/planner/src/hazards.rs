//! Hazards that come from the whole plan, beside those that operations name.

use bytesize::ByteSize;
use crossfade_plan::hazard::{Hazard, HazardId, Severity};
use crossfade_postgres::catalog::facts::CastContext;
use crossfade_postgres::catalog::{Context, SequenceUse};

use crate::facts::Facts;
use crate::target::TargetTable;

/// Adds what follows from the shape of the target and the size of the source.
pub(crate) fn add(target: &mut TargetTable<'_>, facts: &Facts) {
    let table = target.source.name.to_string();
    target.warn(
        HazardId::AccessExclusiveLock,
        Severity::Info,
        &table,
        "the swap holds ACCESS EXCLUSIVE for milliseconds; waiting for it blocks others for the lock \
         timeout at most",
        "keep long transactions away from the cutover",
    );
    target.warn(
        HazardId::QueueReaders,
        Severity::Info,
        &table,
        "for the length of a chunk, select ... for update nowait fails on its rows and skip locked passes \
         them over",
        "lower backfill.chunk_target if that hurts",
    );
    target.warn(
        HazardId::SerializableWriters,
        Severity::Info,
        &table,
        "transactions at REPEATABLE READ or SERIALIZABLE may get 40001 more often while both sides are written",
        "see that such applications repeat them",
    );
    target.warn(
        HazardId::RowVersions,
        Severity::Info,
        &table,
        "the rows of the new table have other system columns (xmin, ctid): an application that read one before \
         the cutover, or before a rollback from there, and compares it afterwards takes the row for changed",
        "lock by a column of the table's own, or let such applications read again",
    );
    let size = facts.estimates.map(|estimates| estimates.total_bytes());
    let disk_space = target.warn(
        HazardId::DiskSpace,
        Severity::Info,
        &table,
        match size {
            Some(bytes) => {
                let size = ByteSize(bytes).display().iec();
                format!("a second copy needs about {size} on disk, and as much WAL")
            }
            None => {
                "a second copy needs room on disk, and as much WAL; the table could not be measured"
                    .into()
            }
        },
        "have at least that much free before the backfill",
    );
    disk_space.bytes = size;
    prepared_statements(target, facts);
    functions(target);
    context_dependences(target);
    sequences(target);
}

/// An identity's sequence changes places with that of the new table.
fn sequences(target: &mut TargetTable<'_>) {
    let source = target.source;
    for sequence in (source.sequences.iter()).filter(|one| one.usage == SequenceUse::Identity) {
        target.warn(
            HazardId::SequenceSwapped,
            Severity::Info,
            sequence.name.to_string(),
            "currval of a session that drew from it before the cutover, or before a rollback from there, fails \
             with 55000 until that session draws again; the numbers go on behind a gap",
            "use returning instead of currval",
        );
    }
}

/// What a CHECK, say, does in a session of the application's, and may not do where rows are copied
/// and mirrored: under a `search_path` of ours, as the table's owner.
fn context_dependences(target: &mut TargetTable<'_>) {
    for found in target.context_dependences() {
        let (code, place) = (&found.code, &found.place);
        let (severity, explanation, remedy) = match found.on {
            Context::SearchPath => (
                Severity::Danger,
                format!(
                    "{place} runs it. Rows are copied and mirrored under search_path = pg_catalog, pg_temp: \
                     names in it that only another path finds are not found then, and the copy is refused \
                     row by row (the applications' statements succeed)"
                ),
                "alter function ... set search_path to the path that it needs, or accept this if it needs none",
            ),
            Context::Role => (
                Severity::Danger,
                format!(
                    "{place} asks for it. Rows are copied by the migrating role and mirrored by the table's \
                     owner: where the row is right for the writer only, the copy is refused row by row (the \
                     applications' statements succeed)"
                ),
                "use session_user or a column instead, or accept this if it holds for the table's owner too",
            ),
            Context::Settings => (
                Severity::Warning,
                format!(
                    "{place} runs it, and it reads settings such as the time zone, which are UTC and ISO where \
                     rows are checked: a row that is right only under the writer's settings is refused there \
                     (the applications' statements succeed)"
                ),
                "name the zone or the format in the expression, if its values depend on them",
            ),
            Context::Moment => (
                Severity::Danger,
                format!(
                    "{place} asks for it: it may be false by now for rows that it was true for when they were \
                     written. If it is for one of them, it can't be validated on the target, after all has been \
                     copied"
                ),
                "drop the constraint until the migration is contracted, or accept this if every row fulfils it",
            ),
        };
        target.warn(
            HazardId::ContextDependent,
            severity,
            code,
            explanation,
            remedy,
        );
    }
}

/// What catches a row that the other side refuses is an exception block, and that is a
/// subtransaction: `refusing` tells of dual-write before the cutover, and after it.
pub(crate) fn subtransactions(target: &mut TargetTable<'_>, refusing: [bool; 2]) {
    let when = match refusing {
        [true, true] => "as long as both sides are written",
        [true, false] => "until the cutover",
        [false, true] => "from the cutover on, until the contract",
        [false, false] => return,
    };
    target.warn(
        HazardId::Subtransactions,
        Severity::Info,
        target.source.name.to_string(),
        format!(
            "the other side may refuse a row, so that {when} each written row is a subtransaction; more than \
             64 of them in one transaction make snapshots slow, here and on replicas, for as long as it is open"
        ),
        "write in transactions of few rows meanwhile",
    );
}

/// Functions keep plans and record types in each open session until they are touched.
fn functions(target: &mut TargetTable<'_>) {
    if target.row_is_unchanged() {
        return;
    }
    let source = target.source;
    for function in source
        .mentioning_functions
        .iter()
        .filter(|one| !one.alterable)
    {
        target.warn(
            HazardId::DependentFunction,
            Severity::Warning,
            &function.signature,
            format!(
                "it mentions the table, and in sessions that have called it, its cached plans can fail with \
                 42804 from the cutover on; it belongs to {}, so the swap may not touch it",
                function.owner
            ),
            "have its owner alter it right after the cutover (a new COST is enough), or restart the pools then",
        );
    }
}

fn prepared_statements(target: &mut TargetTable<'_>, facts: &Facts) {
    if !target.row_is_unchanged() {
        let table = target.source.name.to_string();
        target.warn(
            HazardId::PreparedStatements,
            Severity::Warning,
            table,
            "prepared statements that return changed columns fail with 0A000 after the cutover, and after a \
             rollback from there, until they are prepared anew",
            "use drivers that prepare again, or restart the pools with the cutover",
        );
    }
    let mut hard = Vec::new();
    for column in target.columns.iter().filter(|column| column.retyped) {
        let Some(old) = column.carries else { continue };
        let cast = facts
            .casts
            .get(&(old.type_oid, column.column_type.oid))
            .copied()
            .flatten();
        if cast.is_none_or(|cast| cast.context == CastContext::Explicit) {
            hard.push((
                column.name.clone(),
                old.sql_type.clone(),
                column.column_type.sql_type.clone(),
            ));
        }
    }
    for (name, old, new) in hard {
        target.warn(
            HazardId::PreparedStatements,
            Severity::Danger,
            format!("column {name}"),
            format!(
                "a parameter of type {old} is not taken for {new}: statements whose drivers send the type fail \
                 for good after the cutover"
            ),
            "let the applications send untyped parameters or cast them, or split the column into one of a new name",
        );
    }
}

/// Says which way the strategy was chosen.
pub(crate) fn strategy_reason(chosen_by_user: bool) -> String {
    let head = if chosen_by_user {
        "the plan file asks for it"
    } else {
        "it is the one that does all of this"
    };
    format!(
        "table strategy: {head}; a new table is filled beside the old one, whose pages and triggers stay \
         as they are, and both exchange their names"
    )
}

/// The gravest first, then by id and subject, so that a plan is the same each time.
pub(crate) fn sorted(mut hazards: Vec<Hazard>) -> Vec<Hazard> {
    hazards.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| (a.id, &a.subject).cmp(&(b.id, &b.subject)))
    });
    hazards
}
