//! The benchmark works: all of its parts, on tiny tables. What it measures there means nothing.

use std::process::Command;

use serde_json::Value;

#[test]
fn own_cluster_a_quick_run_measures_every_part() -> Result<(), Box<dyn std::error::Error>> {
    let out = tempfile::tempdir()?;
    let run = Command::new(env!("CARGO_BIN_EXE_crossfade-bench"))
        .args(["--quick", "--out"])
        .arg(out.path())
        .output()?;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{stderr}");

    let files: Vec<_> = std::fs::read_dir(out.path())?.collect::<Result<_, _>>()?;
    assert_eq!(files.len(), 1, "{files:?}");
    let results: Value = serde_json::from_slice(&std::fs::read(files[0].path())?)?;
    let lines = results["results"].as_array().expect("results");
    for (part, sizes, contenders) in [
        ("copy", 2, 9),
        ("chunk", 2, 3),
        ("verify", 2, 5),
        ("dual-write", 1, 7),
        ("cutover", 1, 4),
        ("resume", 2, 1),
    ] {
        let found = lines.iter().filter(|line| line["part"] == part).count();
        assert_eq!(found, sizes * contenders, "{part}: {stdout}");
    }
    // A ratio without its base, or a rate of nothing, would be null.
    for line in lines {
        let measures = line["measures"].as_object().expect("measures");
        for (name, measure) in measures {
            let median = measure["median"].as_f64();
            assert!(median.is_some_and(|m| m >= 0.0), "{name} of {line}");
        }
    }
    // Two sizes with a copy, two chunks and a verification each, four of dual-write, four swaps.
    let bars = results["bars"].as_array().expect("bars");
    assert_eq!(bars.len(), 2 * 4 + 4 + 4, "{stdout}");
    assert!(stdout.contains("a quick run measures nothing"), "{stdout}");
    Ok(())
}
