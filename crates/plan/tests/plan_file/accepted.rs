//! Plan files that are read, and what they mean.

use std::error::Error;

use crossfade_plan::file::{Operation, PlanFile, PlanPath, Threshold};

use super::{FULL, with_lines, with_operation};

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn a_full_plan_file_means_what_it_says() -> Outcome {
    let plan = PlanFile::parse(FULL)?.plan;
    insta::assert_json_snapshot!(plan);
    Ok(())
}

#[test]
fn what_a_plan_file_leaves_out_has_its_default() -> Outcome {
    let plan = PlanFile::parse(&with_operation("drop_column: { column: a }"))?.plan;
    insta::assert_json_snapshot!(plan);
    Ok(())
}

#[test]
fn names_are_sql_names() -> Outcome {
    let plan = PlanFile::parse(&with_operation(
        r#"rename_column: { column: '"Old Id"', to: NEW }"#,
    ))?;
    let Operation::RenameColumn(rename) = &plan.plan.operations[0] else {
        return Err("another operation".into());
    };
    assert_eq!(rename.column.as_str(), "Old Id");
    assert_eq!(rename.to.as_str(), "new");
    assert_eq!(plan.plan.table.to_string(), "public.t");
    Ok(())
}

#[test]
fn default_values_of_later_keys_are_not_a_use() -> Outcome {
    PlanFile::parse(&with_lines(
        "strategy: auto
target: { switch: swap }
windows: []
backfill: { scan: block, bytes_per_second: off }
throttle:
  lag_query: null
  max_wal_rate: 65536KiB
  max_active_sessions: auto
  max_lock_waiters: 0
  max_dead_rows: 20%
  max_xmin_age: 60m
  max_commit_latency: 0.1s
  min_free_connections: 10
  max_archive_lag: off
  max_slot_retained: off
  critical: ~",
    ))?;
    PlanFile::parse(&with_operation(
        "change_type: { column: a, type: int8, with_children: false }",
    ))?;
    Ok(())
}

#[test]
fn json_is_read_as_well() -> Outcome {
    let json = "\u{feff}{\n\t\"name\": \"m\",\n\t\"table\": \"shop.\\\"Order Item\\\"\",\n\t\"description\": \"\\u00e4 \\/ \\ud83d\\ude00\",\n\t\"operations\": [{\"drop_column\": {\"column\": \"a\"}}],\n\t\"throttle\": {\"max_replica_lag\": \"off\"}\n}";
    let plan = PlanFile::parse(json)?.plan;
    assert_eq!(plan.throttle.max_replica_lag, Threshold::Off);
    assert_eq!(plan.table.to_string(), "shop.\"Order Item\"");
    assert_eq!(plan.description.as_deref(), Some("ä / 😀"));
    Ok(())
}

#[test]
fn a_new_type_and_not_null_go_together() -> Outcome {
    for operations in [
        [
            "change_type: { column: a, type: int8 }",
            "set_not_null: { column: a }",
        ],
        [
            "set_not_null: { column: a }",
            "change_type: { column: a, type: int8 }",
        ],
    ] {
        PlanFile::parse(&with_operation(&operations.join("\n  - ")))?;
    }
    Ok(())
}

#[test]
fn two_columns_can_swap_their_names() -> Outcome {
    let swap = "rename_column: { column: a, to: b }\n  - rename_column: { column: b, to: a }";
    PlanFile::parse(&with_operation(swap))?;
    Ok(())
}

#[test]
fn later_checks_find_the_place_of_a_path() -> Outcome {
    let parsed = PlanFile::parse(FULL)?;
    let text = |path: &PlanPath| &FULL[parsed.positions.find(path).span()];
    assert_eq!(text(&parsed.plan.operation_path(0, "column")), "id");
    assert_eq!(
        text(&parsed.plan.operation_path(1, "into").item(1).key("name")),
        "last"
    );
    assert_eq!(text(&parsed.plan.operation_path(1, "into")), "into");
    assert_eq!(
        text(&parsed.plan.operation_path(4, "column")),
        "'\"Customer Id\"'"
    );
    assert_eq!(text(&PlanPath::top("requires").item(1)), "orders_clean");
    // Left out: the place of what would hold it.
    assert_eq!(text(&PlanPath::top("verify").key("absent")), "verify");
    assert_eq!(
        parsed.plan.operation_path(1, "into").item(1).to_string(),
        "operations[1].split_column.into[1]"
    );
    Ok(())
}

#[test]
fn an_alias_is_read_and_has_its_own_place() -> Outcome {
    let text = with_lines("cutover: { approvals: &roles [dba] }\ncontract: { approvals: *roles }");
    let parsed = PlanFile::parse(&text)?;
    assert_eq!(parsed.plan.contract.approvals, ["dba"]);
    assert_eq!(
        parsed
            .positions
            .find(&PlanPath::top("contract").key("approvals"))
            .line,
        6
    );
    Ok(())
}

#[test]
fn a_section_whose_lines_are_commented_out_has_its_defaults() -> Outcome {
    let plain = PlanFile::parse(&with_lines(""))?.plan;
    for section in [
        "backfill", "throttle", "verify", "cutover", "contract", "target", "metadata", "requires",
        "windows",
    ] {
        let text = with_lines(&format!("{section}:\n  # nothing"));
        assert_eq!(
            PlanFile::parse(&text).map(|parsed| parsed.plan).as_ref(),
            Ok(&plain),
            "{section}"
        );
    }
    Ok(())
}
