//! Plan files that are refused: the words of each error, and its place.

use std::fmt::Write;

use crossfade_plan::file::{PlanFile, PlanFileErrorKind};

use super::{with_lines, with_operation};

/// Compares with the stored errors. The texts stand in them, so that the expression need not.
macro_rules! snapshot {
    ($errors:expr) => {
        let errors = $errors;
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(errors) });
    };
}

/// Renders what is wrong with each text. A text without an error fails the test.
fn errors<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut report = String::new();
    for text in texts {
        let text = text.as_ref();
        let errors = PlanFile::parse(text)
            .err()
            .unwrap_or_else(|| panic!("accepted:\n{text}"));
        let shown: Vec<String> = text
            .lines()
            .map(|line| line.chars().take(100).collect())
            .collect();
        let _ = writeln!(report, "----\n{}", shown.join("\n").replace('\0', "\\0"));
        for error in errors.iter() {
            let at = &text[error.span()];
            let _ = writeln!(report, "=> {:?} at {error}", error.kind());
            let _ = writeln!(report, "   here: {at:?}");
            if let Some((position, label)) = error.related() {
                let there = &text[position.span()];
                let _ = writeln!(report, "   related: {position}, {there:?}: {label}");
            }
            if let Some(help) = error.help() {
                let _ = writeln!(report, "   help: {help}");
            }
        }
    }
    report
}

#[test]
fn text_that_is_no_document() {
    let texts = [
        "",
        "  \n\n",
        "# only a comment\n",
        "---\n",
        "null\n",
        "just text\n",
        "- a\n- b\n",
        "name: [unclosed\n",
        "name: \"unclosed\n",
        "name: a\n\ttable: b\n",
        "name: m\nname: n\ntable: t\n",
        "name: m\ntable: t\noperations: [drop_column: { column: a, column: b }]\n",
        "a: 1\n---\nb: 2\n",
        "name: *nowhere\n",
        "name: !custom m\n",
        "base: &base { a: 1 }\nverify: { <<: *base }\n",
        "name: m\u{0}\n",
    ];
    let deep = with_lines(&format!("metadata: {}1{}", "[".repeat(50), "]".repeat(50)));
    let doubled = format!("{}---\n{}", with_lines(""), with_lines(""));
    snapshot!(errors(
        texts.into_iter().chain([deep.as_str(), doubled.as_str()])
    ));
}

#[test]
fn text_over_the_limit() {
    let error = PlanFile::parse(&" ".repeat(2 << 20)).expect_err("too long");
    assert_eq!(error.first().kind(), PlanFileErrorKind::Syntax);
    insta::assert_snapshot!(error, @"line 1, column 1: the plan file has 2097152 bytes, the longest that is read has 1048576");
}

#[test]
fn keys_and_words_that_do_not_exist() {
    snapshot!(errors([
        "name: m\ntable: t\n".to_owned(),
        "table: t\noperations: []\n".to_owned(),
        with_lines("operatoins: []"),
        with_lines("strategy: sideways"),
        with_lines("backfill: { worker: 2 }"),
        with_lines("backfill:\n  workers: 2\n  chunk: 50ms"),
        with_lines("throttle: { max_lag: 1s }"),
        with_lines("verify: { mode: deep }"),
        with_lines("verify: { invariants: [ { name: n } ] }"),
        with_lines("target: { switch: hard }"),
        with_operation("drop_table: { table: t }"),
        with_operation("drop_column: { name: a }"),
        with_operation("drop_column"),
        with_operation("drop_column: a"),
        with_operation("{}"),
        with_operation("null"),
        with_operation("[drop_column]"),
        with_lines("").replace(
            "  - drop_column: { column: a }",
            "  drop_column: { column: a }"
        ),
        with_operation("drop_column: { column: a }\n    add_check: { name: c, check: b }"),
        with_operation("change_type: { column: a }"),
        with_operation("split_column: { column: a, into: [ { name: b, type: text } ] }"),
        with_operation("add_index: { name: i, columns: [ { column: a } ] }"),
        with_operation("add_index: { name: i, columns: [ { expr: a, order: up } ] }"),
        with_operation("add_index: { name: i, columns: [ [a] ] }"),
        with_operation("drop_index: { index: i }"),
    ]));
}

#[test]
fn values_of_another_form() {
    snapshot!(errors([
        with_lines("").replace("name: m", "name: Orders-1"),
        with_lines("").replace("name: m", "name: "),
        with_lines("").replace("table: t", "table: a.b.c"),
        with_lines("").replace("table: t", "table: order item"),
        with_lines("").replace("table: t", "table: [t]"),
        with_lines("").replace("column: a", "column: Order Id"),
        with_lines("").replace("column: a", "column: ''"),
        with_lines("").replace("column: a", "column: null"),
        with_lines("backfill: { chunk_target: 50 }"),
        with_lines("backfill: { chunk_target: '50' }"),
        with_lines("backfill: { batch_delay: 0 }"),
        with_lines("backfill: { batch_delay: soon }"),
        with_lines("backfill: { batch_delay: -5ms }"),
        with_lines("backfill: { workers: many }"),
        with_lines("backfill: { workers: -1 }"),
        with_lines("backfill: { workers: 2.5 }"),
        with_lines("backfill: { batch_size: lots }"),
        with_lines("backfill: { nice_ratio: some }"),
        with_lines("backfill: { rows_per_second: fast }"),
        with_lines("backfill: { bytes_per_second: 1000 }"),
        with_lines("backfill: [2]"),
        with_lines("throttle: { max_replica_lag: 1500 }"),
        with_lines("throttle: { max_replica_lag: true }"),
        with_lines("throttle: { max_wal_rate: 64 }"),
        with_lines("throttle: { max_dead_rows: 20 }"),
        with_lines("throttle: { max_dead_rows: 120% }"),
        with_lines("cutover: { hold: maybe }"),
        with_lines("cutover: { hold: yes }"),
        with_lines("contract: { soak: 99999d }"),
        with_lines("contract: { approvals: technical }"),
        with_lines("metadata: [1]"),
        with_operation("add_check: { name: c, check: '' }"),
        with_operation("add_check: { name: c, check: \"a\\0b\" }"),
        with_operation(
            "merge_columns: { columns: [a, b], into: { name: c, type: text, up: a }, down: { a: x, A: y } }"
        ),
        with_lines("cutover: { lock_timeout: &t soon }\ncontract: { soak: *t }"),
    ]));
}

#[test]
fn values_that_cannot_be_meant() {
    snapshot!(errors([
        "name: m\ntable: t\noperations: []\n".to_owned(),
        with_lines("requires: [m]"),
        with_lines("requires: [a, b, a]"),
        with_lines("backfill: { workers: 0, batch_size: 0, nice_ratio: -1, chunk_target: 0s }"),
        with_lines(
            "backfill: { workers: 99999999999, batch_size: 10000001, nice_ratio: 101, chunk_target: 2m }"
        ),
        with_lines("backfill: { nice_ratio: .nan }"),
        with_lines("backfill: { rows_per_second: 0, batch_delay: 2h }"),
        with_lines("throttle: { max_replica_lag: 0s }"),
        with_lines("cutover: { lock_timeout: 0s, approvals: [dba, ''] }"),
        with_lines("contract: { approvals: [dba, dba] }"),
        with_lines("verify: { invariants: [ { name: n, sql: a }, { name: n, sql: b } ] }"),
        with_operation("rename_column: { column: a, to: A }"),
        with_operation("split_column: { column: a, into: [] }"),
        with_operation(
            "split_column:\n      column: a\n      into:\n        - { name: b, type: text, up: x }\n        - { name: B, type: text, up: y }"
        ),
        with_operation("merge_columns: { columns: [a], into: { name: b, type: text, up: a } }"),
        with_operation("merge_columns: { columns: [a, a], into: { name: b, type: text, up: a } }"),
        with_operation(
            "merge_columns: { columns: [a, b], into: { name: c, type: text, up: a }, down: { d: c } }"
        ),
        with_operation("add_index: { name: i, columns: [] }"),
        with_operation("add_unique: { name: u, columns: [] }"),
        with_operation("add_unique: { columns: [a, a] }"),
    ]));
}

#[test]
fn operations_that_are_at_odds() {
    let pairs = [
        (
            "rename_column: { column: a, to: b }",
            "drop_column: { column: a }",
        ),
        (
            "change_type: { column: a, type: int8 }",
            "change_type: { column: A, type: int4 }",
        ),
        (
            "change_type: { column: a, type: int8 }",
            "set_not_null: { column: a, up: '0' }",
        ),
        ("set_not_null: { column: a }", "set_not_null: { column: a }"),
        (
            "add_column: { name: b, type: text }",
            "rename_column: { column: a, to: b }",
        ),
        (
            "add_column: { name: b, type: text }",
            "set_not_null: { column: b }",
        ),
        (
            "add_column: { name: b, type: text }",
            "add_column: { name: b, type: text }",
        ),
        (
            "split_column: { column: a, into: [ { name: b, type: text, up: a } ] }",
            "add_column: { name: b, type: text }",
        ),
        (
            "drop_column: { column: b }",
            "merge_columns: { columns: [a, b], into: { name: c, type: text, up: a } }",
        ),
        (
            "add_column: { name: a, type: text }",
            "drop_column: { column: a }",
        ),
        (
            "add_index: { name: x, columns: [a] }",
            "add_unique: { name: X, columns: [b] }",
        ),
        (
            "add_check: { name: x, check: a }",
            "add_check: { name: x, check: b }",
        ),
    ];
    snapshot!(errors(pairs.iter().map(|(one, other)| with_operation(
        &format!("{one}\n  - {other}")
    ))));
}

#[test]
fn what_is_not_supported_yet() {
    let texts = [
        with_lines("strategy: column"),
        with_lines("target: { name: orders_v2, switch: handover }"),
        with_lines(
            "windows: [ { days: mon-fri, from: \"22:00\", to: \"05:00\", tz: Europe/Berlin } ]",
        ),
        with_lines("backfill: { workers: auto, bytes_per_second: 64MiB, scan: key }"),
        with_lines(
            "throttle:\n  lag_query: select 1\n  max_wal_rate: off\n  max_active_sessions: 4\n  max_lock_waiters: 1\n  max_dead_rows: 10%\n  max_xmin_age: 2h\n  max_commit_latency: 1s\n  min_free_connections: off\n  max_archive_lag: 5m\n  max_slot_retained: 1GiB\n  query: select true\n  http: http://localhost\n  critical: { max_replica_lag: 1m }",
        ),
        with_operation("change_type: { column: a, type: int8, with_children: true }"),
        with_operation("drop_not_null: { column: a }"),
        with_operation("set_default: { column: a, default: null }"),
        with_operation("set_primary_key: { columns: [a] }"),
        with_operation(
            "add_foreign_key: { name: f, columns: [a], references: { table: o, columns: [id] }, on_delete: cascade, on_update: no_action, deferrable: true }",
        ),
        with_operation("drop_index: { name: i }"),
        with_operation("drop_constraint: { name: c }"),
        with_operation(
            "partition_by: { method: range, columns: [a], partitions: [ { name: p, from: 1, to: 2 } ] }",
        ),
        with_operation("partition_by: { method: hash, columns: [a], every: { count: 8 } }"),
        with_operation("map_table: { columns: { a: b + 1 }, where: a > 0, into: other }"),
        with_operation(
            "sql: { stage: expand, up: select 1, down: select 2, transactional: false }",
        ),
        with_operation("rename_table: { to: o }"),
        with_operation("change_enum: { type: e }"),
        with_operation("purge_rows: { where: old }"),
        with_operation("add_exclusion: { name: e }"),
        with_operation("reorder_columns: { columns: [b, a] }"),
        with_operation("set_storage: { column: a }"),
        with_operation("move_table: { schema: s }"),
    ];
    for text in &texts {
        let errors = PlanFile::parse(text).expect_err(text);
        for error in errors.iter() {
            assert_eq!(error.kind(), PlanFileErrorKind::NotSupportedYet, "{text}");
        }
    }
    snapshot!(errors(texts));
}
