//! Fingerprints: what was reviewed is what runs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The parts of a catalog that a plan relies on: a name that a person understands
/// (`column public.orders.id`) and the part's canonical text.
pub type CatalogParts = BTreeMap<String, String>;

/// A blake3 hash, as 64 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Hashes a plan file's canonical form with the catalog it was planned against.
    ///
    /// Every part goes in with its length before it, so that moving text from one part to the
    /// next changes the hash.
    pub fn of(format: u32, canonical_file: &str, catalog: &CatalogParts) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut feed = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        feed("crossfade-execution-plan");
        feed(&format.to_string());
        feed(canonical_file);
        for (name, text) in catalog {
            feed(name);
            feed(text);
        }
        Self(hasher.finalize().to_hex().to_string())
    }

    /// Takes a stored fingerprint.
    pub fn from_hex(hex: impl Into<String>) -> Self {
        Self(hex.into())
    }

    /// All 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, enough to tell plans apart on a screen.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One part of the catalog that is no longer what the plan was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Name of the part.
    pub part: String,
    /// What became of it.
    pub change: DriftChange,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftChange {
    /// It was not there when the plan was made.
    Added,
    /// It is gone.
    Removed,
    /// It reads differently.
    Changed,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            DriftChange::Added => "added",
            DriftChange::Removed => "removed",
            DriftChange::Changed => "changed",
        };
        write!(f, "{} ({change})", self.part)
    }
}

/// Compares what a plan was made for with what is there now, in the order of the parts' names.
pub fn drift(planned: &CatalogParts, found: &CatalogParts) -> Vec<Drift> {
    let mut drifts: Vec<Drift> = planned
        .iter()
        .filter_map(|(part, text)| {
            let change = match found.get(part) {
                None => DriftChange::Removed,
                Some(now) if now != text => DriftChange::Changed,
                Some(_) => return None,
            };
            Some(Drift {
                part: part.clone(),
                change,
            })
        })
        .chain(
            found
                .keys()
                .filter(|part| !planned.contains_key(*part))
                .map(|part| Drift {
                    part: part.clone(),
                    change: DriftChange::Added,
                }),
        )
        .collect();
    drifts.sort_by(|a, b| a.part.cmp(&b.part));
    drifts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(entries: &[(&str, &str)]) -> CatalogParts {
        entries
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn text_that_moves_between_parts_changes_the_fingerprint() {
        let one = Fingerprint::of(1, "{}", &parts(&[("a", "bc"), ("d", "")]));
        let two = Fingerprint::of(1, "{}", &parts(&[("a", "b"), ("d", "c")]));
        assert_ne!(one, two);
        assert_ne!(
            one,
            Fingerprint::of(2, "{}", &parts(&[("a", "bc"), ("d", "")]))
        );
        assert_eq!(
            one,
            Fingerprint::of(1, "{}", &parts(&[("d", ""), ("a", "bc")]))
        );
    }

    #[test]
    fn drift_names_what_changed() {
        let planned = parts(&[
            ("column a", "int"),
            ("column b", "int"),
            ("column d", "int"),
        ]);
        let found = parts(&[
            ("column a", "text"),
            ("column c", "int"),
            ("column d", "int"),
        ]);
        let printed: Vec<String> = drift(&planned, &found)
            .iter()
            .map(Drift::to_string)
            .collect();
        assert_eq!(
            printed,
            [
                "column a (changed)",
                "column b (removed)",
                "column c (added)"
            ]
        );
    }
}
