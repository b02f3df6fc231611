//! The planner itself: operations to target, target to mapping, mapping to steps.

use crossfade_plan::Ident;
use crossfade_plan::execution::{EXECUTION_PLAN_FORMAT, ExecutionPlan};
use crossfade_plan::file::{PlanFile, PlanPath, Strategy};
use crossfade_plan::fingerprint::Fingerprint;
use crossfade_plan::objects::Objects;
use crossfade_postgres::catalog::Table;

use crate::error::{PlanError, PlanErrorKind, PlanErrors};
use crate::facts::Facts;
use crate::images::{self, Volatilities};
use crate::table_strategy::blueprint::{Blueprint, Records};
use crate::table_strategy::{backfilled, contract, expand, swap};
use crate::target::TargetTable;
use crate::{checker, hazards, key, operations, questions, survivors};

/// What the planner takes from the settings.
#[derive(Debug, Clone)]
pub struct PlannerSettings {
    /// The schema of the state, in which refused rows are recorded.
    pub state_schema: Ident,
}

/// Makes the execution plan.
///
/// Pure and deterministic. Everything that speaks against the plan file is reported at once, in
/// the order of the file as far as it has one.
pub fn plan(
    file: &PlanFile,
    table: &Table,
    facts: &Facts,
    settings: &PlannerSettings,
) -> Result<ExecutionPlan, PlanErrors> {
    let mut target = operations::target(file, table, &facts.types);
    let survivors = survivors::find(&mut target);
    let volatilities = judged(&mut target, &survivors, facts);
    version_can(&mut target, facts);
    can_be_compared(&mut target);
    let objects = Objects::derive(&file.name, &table.name).map_err(|error| {
        let message = format!("no name can be made of {}: {error}", table.name);
        PlanError::new(PlanErrorKind::NameTaken, PlanPath::top("table"), message)
    })?;
    let index = match key::choose(file, table) {
        Ok(index) => index,
        Err(error) => {
            target.errors.push(error);
            PlanErrors::none(std::mem::take(&mut target.errors))?;
            // The error that was just put in has been returned.
            return Err(unsound("a key is missing"));
        }
    };
    let columns = key::columns(index, file, &mut target);
    PlanErrors::none(std::mem::take(&mut target.errors))?;

    let mapping = images::mapping(columns, objects.target.clone(), &mut target, &volatilities);
    let reversed = mapping.reversed(table.name.clone(), objects.retired.clone());
    hazards::add(&mut target, facts);
    let Some(key) = survivors.indexes.iter().find(|one| one.name == index.name) else {
        return Err(unsound("the key's index does not live on"));
    };
    let blueprint = Blueprint {
        file,
        target: &target,
        survivors: &survivors,
        key,
        mapping: &mapping,
        reversed: &reversed,
        objects: &objects,
        records: &Records::of(file, &settings.state_schema),
    };
    let mut steps = expand::steps(&blueprint);
    steps.push(expand::backfill(&blueprint));
    steps.extend(backfilled::steps(&blueprint));
    steps.push(backfilled::verify(&blueprint));
    steps.push(swap::step(&blueprint));
    steps.push(contract::step(&blueprint));

    let refusing = [blueprint.forward(), blueprint.reverse()].map(|one| one.can_refuse());
    hazards::subtransactions(&mut target, refusing);

    let catalog = table.parts();
    let fingerprint = Fingerprint::of(EXECUTION_PLAN_FORMAT, &file.canonical_json(), &catalog);
    let plan = ExecutionPlan {
        format: EXECUTION_PLAN_FORMAT,
        file: file.clone(),
        fingerprint,
        strategy_reason: hazards::strategy_reason(file.strategy == Strategy::Table),
        mapping: mapping.clone(),
        objects: objects.clone(),
        catalog,
        hazards: hazards::sorted(target.hazards),
        steps,
    };
    match checker::check(&plan).first() {
        None => Ok(plan),
        Some(finding) => Err(unsound(&finding.to_string())),
    }
}

/// Notes what the server refuses, and keeps what is volatile.
fn judged(
    target: &mut TargetTable<'_>,
    survivors: &survivors::Survivors<'_>,
    facts: &Facts,
) -> Volatilities {
    let mut volatilities = Volatilities::new();
    for ask in questions::of(target, survivors) {
        match ask.judge(facts) {
            Ok(volatility) => {
                volatilities.insert(ask.question, volatility);
            }
            Err(error) => target.errors.push(error),
        }
    }
    for column in target.columns.iter().filter(|column| column.retyped) {
        use crossfade_plan::mapping::Value;
        let Some(old) = column.carries else { continue };
        let exists = |from, to| facts.casts.get(&(from, to)).copied().flatten().is_some();
        let forth = matches!(
            column.image.as_ref().map(|image| &image.value),
            Some(Value::Cast(_))
        );
        let back = matches!(
            target.back.get(&old.name).map(|back| &back.value),
            Some(Value::Cast(_))
        );
        let new = column.column_type.oid;
        for (needed, from_to, key, types) in [
            (
                forth,
                (old.type_oid, new),
                "up",
                (&old.sql_type, &column.column_type.sql_type),
            ),
            (
                back,
                (new, old.type_oid),
                "down",
                (&column.column_type.sql_type, &old.sql_type),
            ),
        ] {
            if needed && !exists(from_to.0, from_to.1) {
                let message = format!("there is no cast from {} to {}", types.0, types.1);
                let error = PlanError::new(PlanErrorKind::Cast, column.path.clone(), message);
                target
                    .errors
                    .push(error.help(format!("give {key}, an expression for the value")));
            }
        }
    }
    volatilities
}

/// Refuses what the server is too old for.
fn version_can(target: &mut TargetTable<'_>, facts: &Facts) {
    const NULLS_NOT_DISTINCT: u32 = 150_000;
    if facts.server_version_num >= NULLS_NOT_DISTINCT {
        return;
    }
    for index in target
        .indexes
        .iter()
        .filter(|index| index.nulls_not_distinct)
    {
        let message = format!("{}: nulls_not_distinct needs PostgreSQL 15", index.name);
        let error = PlanError::new(PlanErrorKind::Type, index.predicate_path.clone(), message);
        target
            .errors
            .push(error.help("leave it out, or make the columns NOT NULL"));
    }
}

/// Refuses a table of which the comparison could not read both sides at once.
fn can_be_compared(target: &mut TargetTable<'_>) {
    // The server takes 1664 columns in a row; some are the comparison's own.
    const MOST: usize = 1600;
    let columns = target.source.columns.len() + target.columns.len();
    if columns > MOST {
        target.refuse(
            PlanErrorKind::Type,
            PlanPath::top("table"),
            format!("both sides together have {columns} columns; at most {MOST} can be compared"),
            "move columns to another table before the migration",
        );
    }
}

fn unsound(what: &str) -> PlanErrors {
    let message = format!("the plan is not sound: {what}");
    PlanError::new(PlanErrorKind::Unsound, PlanPath::top("operations"), message)
        .help("this is a defect of crossfade, not of the plan file: please report it")
        .into()
}
