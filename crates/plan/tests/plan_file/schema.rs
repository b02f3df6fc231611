//! The published JSON Schema is the one that the types make.

use std::{error::Error, fs, path::Path};

use crossfade_plan::file::PlanFile;
use serde_json::Value;

#[test]
fn the_published_schema_is_current() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/plan.schema.json");
    let current = format!("{:#}\n", PlanFile::json_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &current)?;
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == current,
        "plans/plan.schema.json is not current; refresh it with\n  \
         UPDATE_SCHEMA=1 cargo nextest run -p crossfade-plan published_schema"
    );
    Ok(())
}

#[test]
fn every_key_and_operation_of_the_format_is_in_the_schema() {
    let schema = PlanFile::json_schema();
    let keys = |pointer: &str| match schema.pointer(pointer) {
        Some(Value::Object(map)) => map.keys().cloned().collect::<Vec<_>>().join(" "),
        _ => String::new(),
    };
    let top = "name description requires table strategy target keep_order operations backfill \
               throttle windows verify cutover contract metadata";
    assert_eq!(keys("/properties"), top);
    let backfill = "workers chunk_target batch_size batch_delay nice_ratio rows_per_second \
                    bytes_per_second max_errors scan key";
    assert_eq!(keys("/$defs/Backfill/properties"), backfill);
    let throttle = "max_replica_lag lag_query max_wal_rate max_active_sessions max_lock_waiters \
                    max_dead_rows max_xmin_age max_commit_latency min_free_connections \
                    max_archive_lag max_slot_retained query http critical";
    assert_eq!(keys("/$defs/Throttle/properties"), throttle);
    let operations: Vec<&str> = (schema["$defs"]["Operation"]["oneOf"].as_array().into_iter())
        .flatten()
        .filter_map(|variant| variant["required"][0].as_str())
        .collect();
    let all = "add_column change_type rename_column drop_column split_column merge_columns \
               set_not_null add_check add_index add_unique drop_not_null set_default \
               set_primary_key add_foreign_key drop_index drop_constraint partition_by map_table \
               sql rename_table change_enum purge_rows add_exclusion reorder_columns set_storage \
               move_table";
    assert_eq!(operations.join(" "), all);
}

#[test]
fn the_schema_shows_defaults() {
    let schema = PlanFile::json_schema();
    let default = |pointer: &str| schema.pointer(pointer).map(Value::to_string);
    assert_eq!(
        default("/$defs/Backfill/properties/chunk_target/default").as_deref(),
        Some("\"50ms\"")
    );
    assert_eq!(
        default("/$defs/Throttle/properties/max_wal_rate/default").as_deref(),
        Some("\"64MiB\"")
    );
}
