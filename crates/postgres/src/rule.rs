//! Switches that break one rule of the protocol, so that its test can be seen to fail.
//!
//! Without the feature `mutation` every rule holds, at no cost. With it, `CROSSFADE_BREAK_RULE`
//! names the one that does not.

/// Whether the rule is in force.
#[cfg(feature = "mutation")]
pub fn holds(rule: &str) -> bool {
    std::env::var("CROSSFADE_BREAK_RULE").as_deref() != Ok(rule)
}

/// Whether the rule is in force: always, in a build without the feature `mutation`.
#[cfg(not(feature = "mutation"))]
pub const fn holds(_rule: &str) -> bool {
    true
}
