//! The checks of a plan that need no database. What is wrong in several places is reported for
//! all of them.

mod limits;
mod operations;

use std::collections::BTreeMap;

use super::{
    PlanFile,
    issue::{Issue, Issues},
    position::PlanPath,
};

/// Checks the whole plan.
pub(super) fn validate(plan: &PlanFile, issues: &mut Issues) {
    requires(plan, issues);
    operations::check(plan, issues);
    limits::check(plan, issues);
    let names = plan
        .verify
        .invariants
        .iter()
        .map(|invariant| invariant.name.as_str());
    let at = |index| {
        PlanPath::top("verify")
            .key("invariants")
            .item(index)
            .key("name")
    };
    labels(names, at, "invariant", issues);
    for (section, approvals) in [
        ("cutover", &plan.cutover.approvals),
        ("contract", &plan.contract.approvals),
    ] {
        let at = |index| PlanPath::top(section).key("approvals").item(index);
        labels(approvals.iter().map(String::as_str), at, "role", issues);
    }
}

fn requires(plan: &PlanFile, issues: &mut Issues) {
    let at = |index| PlanPath::top("requires").item(index);
    for (index, required) in plan.requires.iter().enumerate() {
        if *required == plan.name {
            issues.push(
                Issue::invalid(at(index), format!("migration `{required}` requires itself"))
                    .related(PlanPath::top("name"), "this migration"),
            );
        }
    }
    twice(plan.requires.iter(), at, "migration", issues);
}

/// Refuses an empty label and two equal ones.
fn labels<'a>(
    labels: impl Iterator<Item = &'a str> + Clone,
    at: impl Fn(usize) -> PlanPath,
    what: &str,
    issues: &mut Issues,
) {
    for (index, label) in labels.clone().enumerate() {
        if label.trim().is_empty() {
            issues.push(Issue::invalid(at(index), format!("the {what} has no name")));
        }
    }
    twice(labels, at, what, issues);
}

/// Refuses what stands in a list a second time.
fn twice<T: Ord + std::fmt::Display>(
    items: impl Iterator<Item = T>,
    at: impl Fn(usize) -> PlanPath,
    what: &str,
    issues: &mut Issues,
) {
    let mut seen = BTreeMap::new();
    for (index, item) in items.enumerate() {
        match seen.get(&item) {
            Some(&first) => issues.push(
                Issue::invalid(at(index), format!("{what} `{item}` stands here twice"))
                    .related(at(first), "first here"),
            ),
            None => {
                seen.insert(item, index);
            }
        }
    }
}
