//! Which failpoints there are, read from the sources.

use std::collections::BTreeSet;
use std::path::Path;

use crossfade_testkit::Result;

/// The names of all failpoints in `crates/*/src`; `{}` stands for the id of a step. Fails where
/// two share a name: only the one that is reached first could be died at.
pub fn failpoints_in_sources() -> Result<BTreeSet<String>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = BTreeSet::new();
    for member in std::fs::read_dir(crates)? {
        let sources = member?.path().join("src");
        if sources.is_dir() {
            collect(&sources, &mut found)?;
        }
    }
    Ok(found)
}

fn collect(directory: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            for (at, call) in text.match_indices("failpoint::hit(") {
                let argument = &text[at + call.len()..];
                let name = argument.split('"').nth(1).filter(|_| {
                    // A call with a variable would hide a name from this list.
                    argument.trim_start().starts_with(['"', '&'])
                });
                let place = || format!("{}: a failpoint without a name", path.display());
                // A comment speaks of a failpoint as `failpoint::hit("name")`.
                let line = text[..at].rsplit('\n').next().unwrap_or_default();
                if !line.trim_start().starts_with("//") {
                    let name = name.ok_or_else(place)?;
                    if !found.insert(name.to_owned()) {
                        return Err(format!("two failpoints are called {name}").into());
                    }
                }
            }
        }
    }
    Ok(())
}
