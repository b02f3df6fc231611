//! The whole way through the built program, stage by stage and at once, and what it prints.

use crossfade_testkit::Result;
use serde_json::{Value, json};

use crate::program::Run;
use crate::scene::{Scene, leads_to};

/// Replaces what differs from run to run: lengths of time, and how busy the server is.
fn steady(run: &Run) -> String {
    let mut shown: Vec<String> = Vec::new();
    for word in run.shown().split_inclusive([' ', '\n']) {
        let is_time = shown.last().is_some_and(|last| last == "for ")
            && word.starts_with(|first: char| first.is_ascii_digit());
        let end = &word[word.trim_end().len()..];
        shown.push(if is_time {
            format!("N{end}")
        } else {
            word.to_owned()
        });
    }
    let text = shown.concat();
    let lines = text.lines().map(|line| match line.split_once("pass") {
        Some(("connections  ", _)) => "connections  pass     ...",
        Some(("server       ", _)) => "server       pass     PostgreSQL ..., takes writes",
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn fits(run: &Run) {
    // A log on standard error has no width.
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_commands_go_the_whole_way_and_are_no_ops_after() -> Result<()> {
    let scene = Scene::create(300).await?;
    let way = [
        ("preflight", "preflight orders.yaml --free-disk 10GiB"),
        ("expand", "expand orders.yaml --free-disk 10GiB"),
        ("backfill", "backfill orders"),
        ("self_test", "verify orders --self-test --seed 1"),
        ("counts", "verify orders --mode counts"),
        ("verify", "verify orders"),
        ("cutover", "cutover orders.yaml"),
        ("contract", "contract orders --yes"),
    ];
    for (name, line) in way {
        let run = scene.ends(0, line)?;
        fits(&run);
        insta::assert_snapshot!(format!("way_{name}"), steady(&run));
        if name == "expand" || name == "backfill" || name == "cutover" || name == "contract" {
            let again = scene.result(0, line)?;
            assert_eq!(again["end"], "already", "{again}");
        }
    }
    let earlier = ["expand orders.yaml", "backfill orders", "cutover orders"];
    for line in earlier {
        let result = scene.result(0, line)?;
        assert_eq!(
            (&result["end"], &result["stage"]),
            (&json!("already"), &json!("contracted"))
        );
    }
    let doubled: i64 = scene
        .admin
        .query_one_value("select sum(doubled) from public.orders")
        .await?;
    let total: i64 = scene
        .admin
        .query_one_value("select sum(total) from public.orders")
        .await?;
    assert_eq!(doubled, total * 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn run_goes_up_to_verified_and_further_when_told() -> Result<()> {
    let scene = Scene::create(300).await?;
    let first = scene.ends(0, "run orders.yaml --accept-unknown disk --format json")?;
    let lines: Vec<Value> = first
        .stdout
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()?;
    assert!(lines.iter().all(|line| line["schema"] == "crossfade.run/1"));
    let types: Vec<_> = lines
        .iter()
        .filter_map(|line| line["type"].as_str())
        .collect();
    assert_eq!(types.last(), Some(&"result"));
    assert!(types[..types.len() - 1].contains(&"verdict"), "{types:?}");
    assert_eq!(types.iter().filter(|kind| **kind == "result").count(), 1);
    let result = &lines[lines.len() - 1];
    assert_eq!(
        (&result["end"], &result["stage"], &result["next"]),
        (
            &json!("reached"),
            &json!("verified"),
            &json!("crossfade cutover orders")
        )
    );
    for line in ["run orders.yaml", "run orders", "run orders --to backfill"] {
        assert_eq!(scene.result(0, line)?["end"], "already", "{line}");
    }
    assert_eq!(
        scene.result(0, "run orders --to cutover")?["stage"],
        "cut_over"
    );
    scene.fails(2, "E0018", "run orders --to contract")?;
    let last = scene.result(0, "run orders --to contract --yes")?;
    assert_eq!(
        (&last["end"], &last["stage"], &last["next"]),
        (&json!("reached"), &json!("contracted"), &Value::Null)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_from_every_stage_leaves_nothing_and_is_final() -> Result<()> {
    let scene = Scene::create(100).await?;
    for stage in ["expand", "backfill", "verify", "cutover"] {
        scene.ends(0, "expand orders.yaml --accept-unknown disk")?;
        scene.up_to(stage)?;
        scene.fails(2, "E0018", "rollback orders")?;
        let result = scene.result(0, "rollback orders --yes")?;
        assert_eq!(
            (&result["end"], &result["stage"]),
            (&json!("reached"), &json!("rolled_back"))
        );
        assert_eq!(scene.result(0, "rollback orders")?["end"], "already");
        let left =
            crossfade_testkit::catalog_diff::everything_of_ours(&scene.admin, &["crossfade"]);
        assert_eq!(left.await?, Vec::<String>::new(), "from {stage}");
    }
    // Nobody begins it anew by accident: a scheduler's `run` stops here.
    scene.fails(7, "E0044", "run orders.yaml --accept-unknown disk")?;
    for line in [
        "backfill orders",
        "pause orders",
        "hold orders",
        "set orders batch_size=300",
        "approve orders --role technical",
    ] {
        let error = scene.fails(7, "E0044", line)?;
        leads_to(&error, "crossfade expand");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewed_plan_runs_as_it_was_reviewed_or_not_at_all() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.ends(0, "plan orders.yaml --out reviewed.json")?;
    scene
        .admin
        .run("alter table public.orders add column surprise int")
        .await?;
    let line = "expand orders.yaml --plan reviewed.json --accept-unknown disk";
    let error = scene.fails(7, "E0052", line)?;
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("surprise")),
        "{error}"
    );
    scene
        .admin
        .run("alter table public.orders drop column surprise")
        .await?;
    scene.write("other.json", "{}")?;
    scene.fails(2, "E0019", "expand orders.yaml --plan other.json")?;
    scene.ends(0, "plan orders.yaml --out reviewed.json")?;
    assert_eq!(scene.result(0, line)?["stage"], "expanded");
    Ok(())
}
