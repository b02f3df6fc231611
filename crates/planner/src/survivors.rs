//! What hangs on the source and lives on with the target: indexes, CHECKs, generated expressions.
//!
//! What mentions a column that goes away goes with it, and the plan says so by name. What mentions
//! a renamed column is rewritten only where each identifier is known for what it is. Each
//! expression that is carried over is checked by the server over the target's columns.

use crossfade_plan::Ident;
use crossfade_plan::file::PlanPath;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_postgres::catalog::{Constraint, ConstraintKind, Index, KeyValue};

use crate::error::PlanErrorKind;
use crate::index_definition::IndexDefinition;
use crate::names;
use crate::references;
use crate::target::TargetTable;

/// What lives on.
#[derive(Debug)]
pub(crate) struct Survivors<'a> {
    /// Indexes, the key's among them, in the order of their names.
    pub(crate) indexes: Vec<IndexDefinition<'a>>,
    /// CHECKs.
    pub(crate) checks: Vec<SurvivingCheck<'a>>,
    /// Expressions to be checked over the target's columns: text, and what it belongs to.
    pub(crate) conditions: Vec<Carried>,
}

/// A CHECK of the source in the target's names.
#[derive(Debug)]
pub(crate) struct SurvivingCheck<'a> {
    pub(crate) constraint: &'a Constraint,
    pub(crate) expression: String,
}

/// An expression that is carried over.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) expression: String,
    pub(crate) boolean: bool,
    pub(crate) subject: String,
}

/// Works out what lives on; what can't be carried is refused by name.
pub(crate) fn find<'a>(target: &mut TargetTable<'a>) -> Survivors<'a> {
    let source = target.source;
    let mut survivors = Survivors {
        indexes: Vec::new(),
        checks: Vec::new(),
        conditions: Vec::new(),
    };
    for constraint in &source.constraints {
        check(constraint, target, &mut survivors);
    }
    for found in &source.indexes {
        index(found, target, &mut survivors);
    }
    generated(target, &mut survivors);
    survivors
}

fn check<'a>(
    constraint: &'a Constraint,
    target: &mut TargetTable<'a>,
    survivors: &mut Survivors<'a>,
) {
    let subject = format!("constraint {}", constraint.name);
    match constraint.kind {
        ConstraintKind::Check => {}
        ConstraintKind::Exclusion => {
            return cannot(
                target,
                &subject,
                "an exclusion constraint can't be built beside live writes",
            );
        }
        ConstraintKind::Unique | ConstraintKind::PrimaryKey if constraint.deferrable => {
            // Until the swap the target would check it row by row, and the application's own
            // statement, which the source allows, would fail in the trigger.
            return cannot(
                target,
                &subject,
                "a deferrable key is checked row by row on the target before the cutover",
            );
        }
        _ => return,
    }
    if !constraint.enforced {
        return cannot(target, &subject, "it is not enforced");
    }
    if dies(&subject, &constraint.columns, target) {
        return;
    }
    let Some(expression) = &constraint.expression else {
        return;
    };
    if let Some(expression) = carried(expression, &subject, true, target, survivors) {
        survivors.checks.push(SurvivingCheck {
            constraint,
            expression,
        });
    }
}

fn index<'a>(index: &'a Index, target: &mut TargetTable<'a>, survivors: &mut Survivors<'a>) {
    let subject = format!("index {}", index.name);
    if index.exclusion {
        return;
    }
    if !index.valid {
        target.warn(
            HazardId::DependentDropped,
            Severity::Warning,
            subject,
            "it is invalid, left over from a build that failed, and is not carried over",
            "drop it, or build it anew before the migration",
        );
        return;
    }
    if dies(&subject, &index.columns, target) {
        return;
    }
    let retyped = |column: &Ident| {
        target
            .columns
            .iter()
            .any(|now| now.retyped && now.carries.is_some_and(|old| old.name == *column))
    };
    let bound_to_type = index.key.iter().any(|part| match &part.value {
        KeyValue::Column(column) => retyped(column) && !part.opclass_default,
        KeyValue::Expression(_) => false,
    });
    if bound_to_type {
        return cannot(
            target,
            &subject,
            "its operator class belongs to the old type of a column",
        );
    }
    let mut expressions = Vec::new();
    for part in &index.key {
        if let KeyValue::Expression(expression) = &part.value {
            match carried(expression, &subject, false, target, survivors) {
                Some(expression) => expressions.push(expression),
                None => return,
            }
        }
    }
    let predicate = match &index.predicate {
        None => None,
        Some(predicate) => match carried(predicate, &subject, true, target, survivors) {
            Some(predicate) => Some(predicate),
            None => return,
        },
    };
    let built_as = names::temporary(&index.name);
    let definition = IndexDefinition::surviving(index, built_as, target, &expressions, predicate);
    survivors.indexes.push(definition);
}

fn generated<'a>(target: &mut TargetTable<'a>, survivors: &mut Survivors<'a>) {
    for at in 0..target.columns.len() {
        let column = &target.columns[at];
        let Some(generated) = &column.generated else {
            continue;
        };
        let expression = generated.expression.clone();
        let subject = format!("generated column {}", column.name);
        let source = target.source;
        let changed = source.columns.iter().find(|old| {
            let now = target
                .columns
                .iter()
                .find(|now| now.carries.is_some_and(|carried| carried.name == old.name));
            let copied = now.is_some_and(|now| {
                !now.retyped
                    && !matches!(
                        now.image.as_ref().map(|image| &image.value),
                        Some(crossfade_plan::mapping::Value::Expression(_))
                    )
            });
            !copied && references::mentions(&expression, old.name.as_str())
        });
        if let Some(changed) = changed {
            let why = format!("it is computed from column {}, which changes", changed.name);
            cannot(target, &subject, &why);
            continue;
        }
        if let Some(expression) = carried(&expression, &subject, false, target, survivors)
            && let Some(generated) = &mut target.columns[at].generated
        {
            generated.expression = expression;
        }
    }
}

/// Whether something goes away with a column that it is on.
fn dies(subject: &str, columns: &[Ident], target: &mut TargetTable<'_>) -> bool {
    let names = target.new_names();
    let Some(gone) = columns.iter().find(|column| !names.contains_key(*column)) else {
        return false;
    };
    target.warn(
        HazardId::DependentDropped,
        Severity::Warning,
        subject,
        format!("it goes away with column {gone}"),
        "add what should take its place: add_index, add_unique, add_check",
    );
    true
}

/// The expression in the target's names; `None` where that can't be told, which is refused.
fn carried(
    expression: &str,
    subject: &str,
    boolean: bool,
    target: &mut TargetTable<'_>,
    survivors: &mut Survivors<'_>,
) -> Option<String> {
    let mut names = target.new_names();
    names.retain(|old, new| old != new);
    match references::renamed(expression, &names) {
        Ok(expression) => {
            survivors.conditions.push(Carried {
                expression: expression.clone(),
                boolean,
                subject: subject.to_owned(),
            });
            Some(expression)
        }
        Err(references::Ambiguous(column)) => {
            let why = format!(
                "it is not certain where its expression means column {column}, which is renamed"
            );
            cannot(target, subject, &why);
            None
        }
    }
}

fn cannot(target: &mut TargetTable<'_>, subject: &str, why: &str) {
    target.refuse(
        PlanErrorKind::Dependent,
        PlanPath::top("table"),
        format!("{subject} can't be carried over: {why}"),
        "drop it before the migration, and make it anew after it",
    );
}
