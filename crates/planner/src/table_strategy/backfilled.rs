//! After the copy: indexes, constraints and settings of the target, then the comparison.
//!
//! Indexes are built concurrently, conditions are added NOT VALID and validated in another
//! transaction: writers of the source wait for the target's locks, since their triggers write it.

use crossfade_dual_write::sql;
use crossfade_plan::Stage;
use crossfade_plan::execution::{Action, Blocking, LockLevel, Step};
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::ConstraintKind;
use crossfade_postgres::rule;

use super::blueprint::Blueprint;
use super::step::{lock, transaction};
use super::{not_null, settings};
use crate::index_definition::{Build, IndexDefinition};
use crate::names;

/// The steps between the copy and the comparison.
pub(crate) fn steps(plan: &Blueprint<'_>) -> Vec<Step> {
    let target = &plan.objects.target;
    let secondary = plan.secondary_indexes();
    let mut steps: Vec<Step> = secondary.iter().map(|index| build(index, target)).collect();
    steps.extend(add_constraints(plan, &secondary));
    steps.extend(settings::step(plan));
    if rule::holds("backfill/analyze-target") {
        steps.push(analyze(target));
    }
    steps
}

/// Statistics before the swap: the applications' first plans on the target are good ones.
///
/// Not of an empty table: plans that are made while it is known to be empty scan it, and go on
/// scanning as it grows.
fn analyze(target: &QualifiedName) -> Step {
    let statement = if rule::holds("backfill/analyze-no-empty") {
        let body = format!(
            "begin\n  if exists (select from {target}) then\n    analyze {target};\n  end if;\nend"
        );
        format!("do {}", sql::dollar_quoted(&body))
    } else {
        format!("analyze {target}")
    };
    let mut step = transaction(
        Stage::Backfilled,
        "analyze-target",
        format!("collect statistics of {target}"),
        vec![statement],
    );
    step.locks = vec![lock(target, LockLevel::ShareUpdateExclusive)];
    step
}

/// The comparison of both sides.
pub(crate) fn verify(plan: &Blueprint<'_>) -> Step {
    let title = format!(
        "compare every row of {} with its image in {}, both ways, by ranges of the key",
        plan.name(),
        plan.objects.target
    );
    let mut step = transaction(Stage::Verified, "verify", title, Vec::new());
    step.action = Action::Verify;
    step.locks = vec![
        lock(plan.name(), LockLevel::AccessShare),
        lock(&plan.objects.target, LockLevel::AccessShare),
    ];
    step
}

fn build(index: &IndexDefinition<'_>, target: &QualifiedName) -> Step {
    let mut step = transaction(
        Stage::Backfilled,
        &format!("create-index-{}", index.name.as_str()),
        format!("build index {} on {target}", index.built_as),
        vec![index.create(target, Build::Concurrently)],
    );
    step.action = Action::ConcurrentIndex {
        index: target.sibling(index.built_as.clone()),
        table: target.clone(),
    };
    step.locks = vec![lock(target, LockLevel::ShareUpdateExclusive)];
    step
}

fn add_constraints(plan: &Blueprint<'_>, secondary: &[IndexDefinition<'_>]) -> Vec<Step> {
    let target = &plan.objects.target;
    let not_null = plan.not_null_columns();
    let proof = |column: &Ident| names::not_null_proof(&plan.file.name, column);

    let mut add: Vec<String> = secondary
        .iter()
        .filter(|index| index.constraint == Some(ConstraintKind::Unique))
        .map(|index| {
            format!(
                "alter table {target} add constraint {0} unique using index {0}",
                index.built_as
            )
        })
        .collect();
    // What each one checks, and how.
    let mut validate: Vec<(String, String)> = Vec::new();
    let against = |name: &Ident| {
        (
            format!("check the rows of {target} against {name}"),
            format!("alter table {target} validate constraint {name}"),
        )
    };
    for check in &plan.survivors.checks {
        let constraint = check.constraint;
        let inherit = if constraint.no_inherit {
            " no inherit"
        } else {
            ""
        };
        add.push(format!(
            "alter table {target} add constraint {} check ({}){inherit} not valid",
            constraint.name, check.expression
        ));
        // One that was never checked against the old rows stays so: they may break it.
        if constraint.validated {
            validate.push(against(&constraint.name));
        }
    }
    for check in &plan.target.checks {
        add.push(format!(
            "alter table {target} add constraint {} check (\n{}\n) not valid",
            check.name, check.check
        ));
        validate.push(against(&check.name));
    }
    for column in &not_null {
        let proof = proof(column);
        add.push(format!(
            "alter table {target} add constraint {proof} check ({column} is not null) not valid"
        ));
        validate.push((
            format!("check that no {column} of {target} is null"),
            format!("alter table {target} validate constraint {proof}"),
        ));
    }
    let primary = secondary
        .iter()
        .filter(|index| index.constraint == Some(ConstraintKind::PrimaryKey));
    let settle: Vec<String> = not_null
        .iter()
        .flat_map(|column| {
            let name = plan.not_null_name(column);
            let mut statements = vec![
                not_null::set(target, column, name.as_ref()),
                format!("alter table {target} drop constraint {}", proof(column)),
            ];
            statements.extend(plan.not_null_comment(column));
            statements
        })
        // On columns that may be NULL this would scan the table.
        .chain(primary.map(|index| {
            format!(
                "alter table {target} add constraint {0} primary key using index {0}",
                index.built_as
            )
        }))
        .collect();

    let mut steps = Vec::new();
    let instant = |id: &str, title: String, statements: Vec<String>| {
        let mut step = transaction(Stage::Backfilled, id, title, statements);
        step.locks = vec![lock(target, LockLevel::AccessExclusive)];
        step.blocking = Blocking::Instant;
        step
    };
    if !add.is_empty() {
        let title = format!("add the constraints of {target}, not yet checked");
        steps.push(instant("add-constraints", title, add));
    }
    for (at, (title, statement)) in validate.into_iter().enumerate() {
        let mut step = transaction(
            Stage::Backfilled,
            &format!("validate-constraint-{}", at + 1),
            title,
            vec![statement],
        );
        step.locks = vec![lock(target, LockLevel::ShareUpdateExclusive)];
        steps.push(step);
    }
    if !settle.is_empty() {
        let title = format!("make columns of {target} NOT NULL, which the checks have proved");
        steps.push(instant("set-not-null", title, settle));
    }
    steps
}
