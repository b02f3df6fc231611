//! Nothing hangs on the table that a swap would strand.

use crossfade_postgres::catalog::{ConstraintKind, ReplicaIdentity, Table};

use super::{Context, Finding, Outcome};

const CHECK: &str = "dependents";

/// Everything that the swap does not carry, by name. Nothing may be lost silently.
pub(super) fn check(context: &Context<'_>) -> Finding {
    let stranded = stranded(&context.expansion.table);
    if stranded.is_empty() {
        return Finding::pass(CHECK, "nothing hangs on the table that the swap would lose");
    }
    Finding::of(
        CHECK,
        Outcome::Fail,
        format!("the swap would lose: {}", stranded.join(", ")),
        "drop these before the migration and create them again after contract, or leave the table as it is",
    )
}

/// What keeps the table from being dropped, or would go on with it under its other name.
pub(crate) fn hanging(table: &Table) -> Vec<String> {
    let inbound = table.inbound_foreign_keys.iter();
    let children = table.children.iter();
    let others = table.dependents.iter();
    [
        named(
            "foreign key",
            inbound.map(|key| format!("{} of {}", key.constraint.name, key.table)),
        ),
        named("child", children.map(|child| child.name.to_string())),
        (others.map(|one| format!("{} {}", one.kind, one.identity))).collect(),
    ]
    .concat()
}

/// What the swap does not carry, by name.
pub(crate) fn stranded(table: &Table) -> Vec<String> {
    [
        keys_and_constraints(table),
        rules_and_rights(table),
        relations(table),
    ]
    .concat()
}

fn named(kind: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    names.map(|name| format!("{kind} {name}")).collect()
}

fn keys_and_constraints(table: &Table) -> Vec<String> {
    let constraints = |kind: ConstraintKind| {
        table
            .constraints
            .iter()
            .filter(move |constraint| constraint.kind == kind)
            .map(|constraint| constraint.name.to_string())
    };
    let inbound = table.inbound_foreign_keys.iter();
    let switched = table.altered_constraint_triggers.iter();
    [
        named("foreign key", constraints(ConstraintKind::ForeignKey)),
        named(
            "exclusion constraint",
            constraints(ConstraintKind::Exclusion),
        ),
        named(
            "foreign key",
            inbound.map(|key| format!("{} of {}", key.constraint.name, key.table)),
        ),
        named(
            "switched triggers of constraint",
            switched.map(ToString::to_string),
        ),
    ]
    .concat()
}

fn rules_and_rights(table: &Table) -> Vec<String> {
    let secured = table.row_security.enabled || table.row_security.forced;
    let identity = table.replica_identity != ReplicaIdentity::Default;
    let own = |applies: bool| applies.then(|| table.name.to_string()).into_iter();
    [
        named(
            "trigger",
            table.user_triggers().map(|one| one.name.to_string()),
        ),
        named("rule", table.rules.iter().map(|one| one.name.to_string())),
        named(
            "policy",
            table.policies.iter().map(|one| one.name.to_string()),
        ),
        named("row level security of", own(secured)),
        named(
            "publication",
            table.publications.iter().map(|one| one.name.to_string()),
        ),
        named(
            "subscription",
            table.subscriptions.iter().map(ToString::to_string),
        ),
        named("replica identity of", own(identity)),
        named("security label", table.security_labels.iter().cloned()),
    ]
    .concat()
}

fn relations(table: &Table) -> Vec<String> {
    let mut found = [
        named(
            "extended statistics",
            table.statistics.iter().map(|one| one.name.to_string()),
        ),
        named("parent", table.parents.iter().map(ToString::to_string)),
        named(
            "child",
            table.children.iter().map(|child| child.name.to_string()),
        ),
    ]
    .concat();
    let others = table.dependents.iter();
    found.extend(others.map(|dependent| format!("{} {}", dependent.kind, dependent.identity)));
    found
}
