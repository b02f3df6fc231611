//! Functions that mention the table: the swap touches them, so that open sessions compile them
//! anew.
//!
//! A PL/pgSQL function keeps the type that a record variable's field had when an expression was
//! first planned; when the columns have other types it fails with 42804, in that session, for good.
//! A new version of its catalog row makes every session compile it anew. Setting what is set
//! already makes one: the cost of a function, the security of a procedure, which has no cost.
//! What is set is read in the swap, since it may have been altered after the plan was made.

use crossfade_dual_write::sql;
use crossfade_postgres::catalog::{MentioningFunction, RoutineKind};
use crossfade_postgres::rule;

use crate::target::TargetTable;

/// The statements that touch every function that mentions the table and may be altered; none
/// where the columns stay as they are.
pub(crate) fn touched(target: &TargetTable<'_>) -> Vec<String> {
    if target.row_is_unchanged() || !rule::holds("cutover/touch-functions") {
        return Vec::new();
    }
    let functions = target.source.mentioning_functions.iter();
    functions.filter(|one| one.alterable).map(touch).collect()
}

/// One that was dropped since is nobody's concern; one that was given away must not fail the swap.
fn touch(function: &MentioningFunction) -> String {
    let signature = &function.signature;
    let (is_kind, what, clause, value) = match function.kind {
        RoutineKind::Function => ("<>", "function", "cost", "procost"),
        RoutineKind::Procedure => (
            "=",
            "procedure",
            "security",
            "case when prosecdef then 'definer' else 'invoker' end",
        ),
    };
    let alter = sql::literal(&format!("alter {what} {signature} {clause} "));
    let missed = sql::literal(&format!(
        "{what} {} may not be altered any more: sessions that have called it should reconnect",
        signature.replace('%', "%%")
    ));
    let body = format!(
        "begin\n  \
           execute (select {alter} || {value} from pg_catalog.pg_proc\n           \
             where oid = pg_catalog.to_regprocedure({}) and prokind {is_kind} 'p');\n\
         exception\n  \
           when null_value_not_allowed or undefined_object then null; -- dropped since\n  \
           when insufficient_privilege then raise warning {missed};\n\
         end",
        sql::literal(signature),
    );
    format!("do {}", sql::dollar_quoted(&body))
}
