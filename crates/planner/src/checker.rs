//! Reads a finished plan with other eyes than those that made it.
//!
//! It knows nothing of operations or mappings: it looks at statements, locks and order, and finds
//! what no plan may do.

use std::fmt;

use crossfade_plan::execution::{Action, Blocking, DualWriteNames, ExecutionPlan, LockLevel, Step};
use crossfade_plan::{MAX_IDENT_BYTES, QualifiedName, Stage};
use squawk_lexer::{TokenKind, tokenize};

/// One thing that a plan must not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The step, by its id.
    pub step: String,
    /// What is wrong with it.
    pub fault: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step, self.fault)
    }
}

/// Everything that is wrong with a plan; nothing, for a sound one.
pub fn check(plan: &ExecutionPlan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let mut report = |fault: String| {
            findings.push(Finding {
                step: step.id.to_string(),
                fault,
            });
        };
        if plan.steps[..at].iter().any(|earlier| earlier.id == step.id) {
            report("another step has the same id".to_owned());
        }
        if plan.steps[..at]
            .iter()
            .any(|earlier| earlier.stage > step.stage)
        {
            report("it leads to an earlier stage than a step before it".to_owned());
        }
        locks(step, &mut report);
        statements(step, &mut report);
        concurrent(step, &mut report);
        undo(plan, at, &mut report);
    }
    for stage in Stage::ALL {
        let undo = plan.undo_from(stage);
        let all: Vec<&str> = undo.first.iter().chain(&undo.last).copied().collect();
        if let Some(fault) = order(plan, &all) {
            findings.push(Finding {
                step: format!("undo from {stage}"),
                fault,
            });
        }
    }
    for step in &plan.steps {
        let all: Vec<&str> = step.statements.iter().map(String::as_str).collect();
        if let Some(fault) = order(plan, &all) {
            findings.push(Finding {
                step: step.id.to_string(),
                fault,
            });
        }
    }
    findings
}

fn locks(step: &Step, report: &mut impl FnMut(String)) {
    let mut blocking = step
        .locks
        .iter()
        .map(|lock| lock.level)
        .filter(|level| level.blocks_writes());
    if let Some(first) = blocking.next() {
        // Waiting for a second kind of lock while holding a first one is how deadlocks are made.
        if blocking.any(|level| level != first) {
            report("its locks that block writes are of different levels".to_owned());
        }
        if step.blocking == Blocking::Scan {
            report(format!("it scans a table under {first}"));
        }
        if step.blocking == Blocking::None {
            report(format!("it takes {first} and says that it blocks nobody"));
        }
    }
    let validates = step
        .statements
        .iter()
        .any(|sql| has_words(sql, &["validate", "constraint"]));
    if validates
        && step
            .locks
            .iter()
            .any(|lock| lock.level > LockLevel::ShareUpdateExclusive)
    {
        report("it validates a constraint under a lock that blocks others".to_owned());
    }
    let adds = step
        .statements
        .iter()
        .any(|sql| has_words(sql, &["not", "valid"]));
    if validates && adds {
        report("it adds and validates a constraint in one transaction".to_owned());
    }
    for sql in step
        .statements
        .iter()
        .filter(|sql| words(sql).next().as_deref() == Some("alter"))
    {
        let checked = has_words(sql, &["add", "constraint"])
            && !has_words(sql, &["not", "valid"])
            && !has_words(sql, &["using", "index"])
            // Like SET NOT NULL: a CHECK has proved it.
            && !has_words(sql, &["add", "constraint", "not", "null"]);
        if checked {
            report("it adds a constraint that is checked under its lock".to_owned());
        }
    }
}

fn statements(step: &Step, report: &mut impl FnMut(String)) {
    let ddl = |sql: &&String| {
        matches!(
            words(sql).next().as_deref(),
            Some("drop" | "alter" | "truncate")
        )
    };
    let all = || {
        step.statements
            .iter()
            .chain(&step.undo)
            .chain(&step.undo_after)
            .chain(&step.undo_last)
    };
    if all()
        .filter(ddl)
        .any(|sql| words(sql).any(|word| word == "cascade"))
    {
        report("it drops by cascade, which takes along what nobody has named".to_owned());
    }
    for sql in all() {
        for name in identifiers(sql).filter(|name| name.len() > MAX_IDENT_BYTES) {
            report(format!(
                "the name {name} is longer than {MAX_IDENT_BYTES} bytes"
            ));
        }
    }
    if step.statements.is_empty() && step.action != Action::Verify {
        report("it does nothing".to_owned());
    }
}

fn concurrent(step: &Step, report: &mut impl FnMut(String)) {
    let concurrently = step
        .statements
        .iter()
        .any(|sql| words(sql).any(|word| word == "concurrently"));
    match &step.action {
        Action::ConcurrentIndex { index, table } => {
            let named = step.statements.first().is_some_and(|sql| {
                sql.contains(&index.name.to_string()) && sql.contains(&table.to_string())
            });
            if !concurrently || step.statements.len() != 1 || !named {
                report(
                    "it must be one create index concurrently, of the index that it names"
                        .to_owned(),
                );
            }
        }
        _ if concurrently => {
            report("what runs concurrently can't be in a transaction".to_owned());
        }
        _ => {}
    }
}

/// What a step makes is undone by itself, or goes with a table that an earlier step's undo drops.
fn undo(plan: &ExecutionPlan, at: usize, report: &mut impl FnMut(String)) {
    let step = &plan.steps[at];
    if step
        .undo
        .iter()
        .any(|sql| has_words(sql, &["drop", "table"]))
    {
        report("its undo drops a table under the locks of the way back".to_owned());
    }
    let undone = !step.undo.is_empty() || !step.undo_last.is_empty();
    if step.stage >= Stage::Contracted || undone {
        return;
    }
    let dropped: Vec<String> = plan.steps[..at]
        .iter()
        .flat_map(|earlier| &earlier.undo_last)
        .filter_map(|sql| sql.strip_prefix("drop table if exists ").map(str::to_owned))
        .collect();
    for sql in &step.statements {
        let makes = matches!(
            words(sql).next().as_deref(),
            Some("create" | "alter" | "drop")
        );
        if makes
            && !dropped
                .iter()
                .any(|table| sql.contains(table) || on_index_of(sql, plan))
        {
            report("it changes something and has no undo".to_owned());
            return;
        }
    }
}

/// Whether a statement alters an index that this plan builds.
fn on_index_of(sql: &str, plan: &ExecutionPlan) -> bool {
    plan.steps.iter().any(|step| match &step.action {
        Action::ConcurrentIndex { index, .. } => sql.starts_with(&format!("alter index {index} ")),
        _ => false,
    })
}

/// A trigger goes before its function, and a function before the table that it writes: in between,
/// each write of the application would fail.
fn order(plan: &ExecutionPlan, statements: &[&str]) -> Option<String> {
    let tables = [&plan.objects.target, &plan.objects.retired];
    for names in [&plan.objects.forward, &plan.objects.reverse] {
        if let Some(fault) = order_of(names, &tables, statements) {
            return Some(fault);
        }
    }
    None
}

fn order_of(
    names: &DualWriteNames,
    tables: &[&QualifiedName; 2],
    statements: &[&str],
) -> Option<String> {
    let last = |start: String| statements.iter().rposition(|sql| sql.starts_with(&start));
    let first = |start: String| statements.iter().position(|sql| sql.starts_with(&start));
    for (trigger, function) in [
        (&names.row_trigger, &names.row_function),
        (&names.truncate_trigger, &names.truncate_function),
    ] {
        let function_gone = first(format!("drop function if exists {function}"));
        let trigger_gone = last(format!("drop trigger if exists {trigger} "));
        if let Some(function_gone) = function_gone
            && trigger_gone.is_none_or(|trigger_gone| trigger_gone > function_gone)
        {
            return Some(format!("function {function} is dropped before its trigger"));
        }
        for table in tables {
            let table_gone = first(format!("drop table if exists {table}"));
            if let (Some(table_gone), Some(function_gone)) = (table_gone, function_gone)
                && function_gone > table_gone
            {
                return Some(format!(
                    "table {table} is dropped before function {function}"
                ));
            }
        }
    }
    None
}

/// The bare words of a statement in lower case: nothing from within quotes or comments.
fn words(sql: &str) -> impl Iterator<Item = String> + '_ {
    tokens(sql)
        .filter(|(kind, _)| *kind == TokenKind::Ident)
        .map(|(_, text)| text.to_ascii_lowercase())
}

fn has_words(sql: &str, wanted: &[&str]) -> bool {
    let all: Vec<String> = words(sql).collect();
    all.windows(wanted.len())
        .any(|window| window.iter().zip(wanted).all(|(a, b)| a == b))
}

/// Every identifier as the server stores it.
fn identifiers(sql: &str) -> impl Iterator<Item = String> + '_ {
    tokens(sql).filter_map(|(kind, text)| match kind {
        TokenKind::Ident => Some(text.to_ascii_lowercase()),
        TokenKind::QuotedIdent { .. } => Some(text.trim_matches('"').replace("\"\"", "\"")),
        _ => None,
    })
}

fn tokens(sql: &str) -> impl Iterator<Item = (TokenKind, &str)> {
    let mut start = 0;
    tokenize(sql).filter_map(move |token| {
        let end = start + token.len as usize;
        let text = sql.get(start..end)?;
        start = end;
        Some((token.kind, text))
    })
}
