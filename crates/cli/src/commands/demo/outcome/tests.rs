//! What went wrong is said, and is the exit code.

use crossfade_sandbox::oracle::Differences;
use crossfade_sandbox::workload::{Failure as Refused, LatencyReport};
use jiff::Timestamp;

use super::*;
use crate::commands::demo::forward::Verdict;
use crate::commands::demo::measure::Pace;
use crate::error::{Look, as_text};

fn application(commits: u64, max_us: u64) -> WorkloadReport {
    WorkloadReport {
        seconds: 10.0,
        commits,
        commits_per_second: 0.0,
        retries: 3,
        nowait_busy: 0,
        disconnects: 0,
        reprepared: 0,
        connections: 8,
        next_key: 7,
        latency: LatencyReport {
            statements: commits * 4,
            max_us,
            ..LatencyReport::default()
        },
        kinds: Vec::new(),
        failures_total: 0,
        failures: Vec::new(),
    }
}

fn good() -> Outcome {
    let pace = |commits| Pace {
        commits,
        seconds: 2.0,
    };
    Outcome {
        alone: application(20_000, 41_000),
        up: Up {
            rows_copied: 300_000,
            copy_seconds: 7.5,
            rows_at_kill: 120_500,
            during_copy: pace(2_400),
            verdict: Verdict {
                word: "exact".to_owned(),
                rows: 301_234,
                differences: 0,
            },
            swap_ms: 4.2,
            after_swap: pace(3_000),
        },
        back: Back {
            swap_ms: 3.1,
            application: application(50_000, 52_300),
            compared: Ok(301_999),
        },
    }
}

/// The exit code and the text of the error.
fn judged(outcome: &Outcome) -> (Exit, String) {
    let failure = outcome.judge().expect_err("something is wrong");
    let look = Look {
        terminal: false,
        color: false,
        width: 200,
    };
    (failure.exit(), as_text(&failure, look))
}

#[test]
fn a_good_end_shows_every_figure() {
    let outcome = good();
    assert_eq!(outcome.judge().expect("nothing is wrong"), Exit::Done);
    let text = outcome.text();
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    insta::assert_snapshot!(text, @"
    What was measured
      rows copied            300,000 in 7.5 s
      rate of the copy       40,000 rows/s
      killed with -9         once, after 120,500 rows; resumed
      verdict                exact: 301,234 rows compared, 0 differences
      locks held, cutover    4.2 ms at most
      locks held, rollback   3.1 ms at most
      application            50,000 transactions, 200,000 statements
      failed statements      0
      longest statement      52.3 ms (before the migration: 41.0 ms)
      transactions a second  2,000 before the migration
                             1,200 during the copy
                             1,500 after the cutover
      lost writes            0 (301,999 rows compared)
    ");
}

#[test]
fn rows_that_differ_are_a_loss_with_their_keys() {
    let mut outcome = good();
    outcome.back.compared = Err(OracleError::Differ(Differences {
        missing: 7,
        extra: 1,
        missing_keys: (1..=7).map(|key| key.to_string()).collect(),
        extra_keys: vec!["9".to_owned()],
    }));
    assert!(outcome.text().contains("7 rows missing, 1 extra"));
    let (exit, text) = judged(&outcome);
    assert_eq!(exit, Exit::Data);
    assert!(
        text.contains("7 rows are missing (ids 1, 2, 3, 4, 5)"),
        "{text}"
    );
    assert!(text.contains("1 rows are extra (ids 9)"), "{text}");
}

#[test]
fn a_comparison_of_nothing_proves_nothing() {
    let mut outcome = good();
    outcome.back.compared = Err(OracleError::NoRows);
    assert_eq!(judged(&outcome).0, Exit::Data);
    assert!(outcome.text().contains("unknown"), "{}", outcome.text());
}

#[test]
fn statements_that_failed_are_named_whenever_it_was() {
    let refused = Refused {
        at: Timestamp::UNIX_EPOCH,
        kind: None,
        isolation: None,
        sqlstate: Some("40P01".to_owned()),
        reason: "the server refused the statement".to_owned(),
        statement: "update leads".to_owned(),
    };
    let break_one: [fn(&mut Outcome) -> &mut WorkloadReport; 2] = [
        |outcome| &mut outcome.alone,
        |outcome| &mut outcome.back.application,
    ];
    for report in break_one {
        let mut outcome = good();
        let report = report(&mut outcome);
        report.failures_total = 1;
        report.failures.push(refused.clone());
        let (exit, text) = judged(&outcome);
        assert_eq!(exit, Exit::Data);
        assert!(
            text.contains("1 statements of the application failed"),
            "{text}"
        );
        assert!(text.contains("40P01 by update leads"), "{text}");
    }
}

#[test]
fn any_verdict_but_exact_is_told() {
    let mut outcome = good();
    outcome.up.verdict.word = "counted".to_owned();
    let (exit, text) = judged(&outcome);
    assert_eq!(exit, Exit::Data);
    assert!(text.contains("the verdict is counted"), "{text}");
}
