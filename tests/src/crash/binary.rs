//! Finds the program under test, and builds it where it is missing or stale.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crossfade_testkit::Result;
use tokio::sync::OnceCell;

/// Names another program to test instead. It must have failpoints.
const INSTEAD: &str = "CROSSFADE_TEST_PROGRAM";
/// The environment variable that a program with failpoints reads; its name is in the program.
const VARIABLE: &[u8] = b"FAILPOINTS";

static PATH: OnceCell<PathBuf> = OnceCell::const_new();

/// The program, built with failpoints.
pub async fn program_path() -> Result<&'static Path> {
    let path = PATH.get_or_try_init(|| async {
        let found = tokio::task::spawn_blocking(find_or_build).await?;
        Ok::<_, crossfade_testkit::Error>(found?)
    });
    Ok(path.await?)
}

fn find_or_build() -> std::result::Result<PathBuf, String> {
    if let Some(program) = std::env::var_os(INSTEAD) {
        return Ok(program.into());
    }
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let profile = test
        .ancestors()
        .nth(2)
        .ok_or("a test lies in target/<profile>/deps")?;
    let program = profile.join("crossfade");
    if !is_fit(&program) {
        build(profile)?;
        if !is_fit(&program) {
            return Err(format!("{} has no failpoints", program.display()));
        }
    }
    Ok(program)
}

/// With the features that all tests are built with, so that nothing is compiled twice. Several
/// tests at once wait for each other at cargo's lock.
fn build(profile: &Path) -> std::result::Result<(), String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--workspace", "--all-features"])
        .args(["--bin", "crossfade"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Whether it is there, has failpoints, and is no older than its sources, which cargo lists in
/// the file beside it.
fn is_fit(program: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|data| data.modified());
    let fresh = || -> std::io::Result<bool> {
        let built: SystemTime = modified(program)?;
        let listed = std::fs::read_to_string(program.with_extension("d"))?;
        let sources = listed.split_once(": ").map_or("", |(_, sources)| sources);
        for source in sources.replace("\\ ", "\0").split_whitespace() {
            if modified(Path::new(&source.replace('\0', " ")))? > built {
                return Ok(false);
            }
        }
        let bytes = std::fs::read(program)?;
        Ok(bytes.windows(VARIABLE.len()).any(|part| part == VARIABLE))
    };
    fresh().unwrap_or(false)
}
