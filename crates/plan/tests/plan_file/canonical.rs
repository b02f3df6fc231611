//! The canonical form: one text for everything that means the same.

use std::error::Error;

use crossfade_plan::file::PlanFile;
use serde_json::Value;

use super::{FULL, with_lines, with_operation};

type Outcome = Result<(), Box<dyn Error>>;

fn canonical(text: &str) -> Result<String, Box<dyn Error>> {
    Ok(PlanFile::parse(text)?.plan.canonical_json())
}

#[test]
fn what_does_not_matter_does_not_change_it() -> Outcome {
    let plain = canonical(&with_lines(""))?;
    let other = "# a comment
contract: { approvals: [], soak: 0m }
backfill:
    chunk_target:   0.05s
    workers: 2
    nice_ratio: 0
operations:

- drop_column:
    column: \"A\"     # folded, as SQL does
throttle: { max_replica_lag: 1s 500ms }
verify: { mode: full }
strategy: auto
description: null
table: public.T
name: \"m\"
";
    assert_eq!(canonical(other)?, plain);
    let json =
        r#"{"operations":[{"drop_column":{"down":null,"column":"a"}}],"table":"t","name":"m"}"#;
    assert_eq!(canonical(json)?, plain);
    Ok(())
}

#[test]
fn what_matters_changes_it() -> Outcome {
    let plain = canonical(&with_lines(""))?;
    for lines in [
        "description: x",
        "strategy: table",
        "keep_order: true",
        "requires: [n]",
        "backfill: { workers: 3 }",
        "backfill: { key: k }",
        "throttle: { max_replica_lag: off }",
        "verify: { mode: counts }",
        "cutover: { hold: true }",
        "contract: { soak: 1s }",
        "metadata: { a: 1 }",
    ] {
        assert_ne!(canonical(&with_lines(lines))?, plain, "{lines}");
    }
    assert_ne!(
        canonical(&with_operation("drop_column: { column: '\"A\"' }"))?,
        plain
    );
    Ok(())
}

#[test]
fn its_keys_are_sorted() -> Outcome {
    fn check(value: &Value) {
        match value {
            Value::Object(map) => {
                assert!(map.keys().is_sorted(), "{:?}", map.keys());
                map.values().for_each(check);
            }
            Value::Array(items) => items.iter().for_each(check),
            _ => {}
        }
    }
    let metadata = with_lines("metadata: { z: { y: 1, x: [ { c: 1, b: 2 } ] }, a: 1 }");
    for text in [FULL, &metadata] {
        check(&serde_json::from_str(&canonical(text)?)?);
    }
    Ok(())
}

#[test]
fn it_reads_back_as_the_same_plan() -> Outcome {
    for text in [FULL.to_owned(), with_lines("")] {
        let plan = PlanFile::parse(&text)?.plan;
        let json = plan.canonical_json();
        // From the state, and as a plan file.
        assert_eq!(serde_json::from_str::<PlanFile>(&json)?, plan);
        assert_eq!(PlanFile::parse(&json)?.plan, plan);
        assert_eq!(
            serde_json::from_value::<PlanFile>(serde_json::to_value(&plan)?)?,
            plan
        );
    }
    Ok(())
}

#[test]
fn the_state_gives_no_unchecked_plan() {
    let json =
        r#"{"name":"m","table":"t","operations":[{"rename_column":{"column":"a","to":"a"}}]}"#;
    let error = serde_json::from_str::<PlanFile>(json).expect_err("a name for itself");
    assert!(
        error.to_string().contains("operations[0].rename_column.to"),
        "{error}"
    );
}
