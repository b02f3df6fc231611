//! Errors of the stages, with the command that comes next.

use std::error::Error;

use crossfade_backfill::BackfillError;
use crossfade_engine::{EngineError, Shut, Side, preflight};
use crossfade_observe::quantity;
use crossfade_plan::hazard::Hazard;
use crossfade_plan::{MigrationName, Stage};
use crossfade_postgres::{ErrorClass, QueryError};
use crossfade_verify::VerifyError;

use super::{Code, Failure, no_such_table, plan_failure};
use crate::migration;
use crate::work::Subject;

/// Why a stage of `subject` did not reach its end, and what to do about it.
pub(crate) fn engine_failure(error: EngineError, subject: &Subject, command: &str) -> Failure {
    let name = &subject.name;
    let again = format!("crossfade {command} {}", subject.given);
    match error {
        EngineError::State(error) => error.into(),
        EngineError::Query(error) => query(error, &again),
        EngineError::Begin(error) => error.into(),
        EngineError::Connect(error) => error.into(),
        EngineError::Commit(error) => error.into(),
        EngineError::Catalog(error) => error.into(),
        EngineError::Backfill(error) => backfill(error, name, &again),
        EngineError::Verify(error) => verify(error, name, &again),
        EngineError::Plan(errors) => match &subject.source {
            Some(source) => plan_failure(&errors, source),
            None => Failure::of(Code::PlanMisfit, errors.first()),
        },
        EngineError::TableGone { side, .. } => table_gone(&error, side, name),
        EngineError::NoTable(ref table) => match &subject.source {
            Some(source) if *source.parsed.plan.table == *table => no_such_table(source),
            _ => Failure::of(Code::PlanMisfit, &error),
        },
        EngineError::UnknownMigration(name) => migration::unknown(&name),
        EngineError::Preflight(ref report) => preflight_failure(report, &again),
        EngineError::Hazards(ref hazards) => refused_hazards(hazards, &again),
        EngineError::Drift(ref drifted) => drifted
            .iter()
            .fold(Failure::of(Code::Drift, &error), |failure, drift| {
                failure.also(drift.to_string())
            }),
        EngineError::AlteredSince(ref drifted) => {
            let failure = Failure::of(Code::AlteredSince, &error);
            (drifted.iter()).fold(failure, |failure, drift| failure.also(drift.to_string()))
        }
        EngineError::Hanging(ref hanging) => {
            let failure = Failure::of(Code::Hanging, &error);
            hanging.iter().fold(failure, Failure::also)
        }
        EngineError::PartGone(_) => Failure::of(Code::TableGone, &error).next(format!(
            "Find out who did it; give it back its name, or build it again under that name, then run \
             `{again}` again."
        )),
        EngineError::EventTrigger { stage, .. } => {
            let serves = match stage {
                Stage::RollingBack => "The old side serves again, and the new one is still to be dropped. ",
                Stage::CutOver => "The new side serves on. ",
                _ => "",
            };
            Failure::of(Code::EventTrigger, &error).next(format!(
                "{serves}Let the trigger allow what the migration does, or disable it for the time (alter event \
                 trigger ... disable); then run `{again}` again: it goes on from here."
            ))
        }
        EngineError::LeaseHeld(ref holder) => Failure::of(Code::LeaseHeld, &error).also(format!(
            "process {} on {}, last sign of life at {}",
            holder.owner.pid(),
            holder.owner.host(),
            holder.heartbeat_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        )),
        EngineError::TooEarly { needed, .. } => Failure::of(Code::TooEarly, &error).next(format!(
            "Run `crossfade {} {name}` first.",
            reaching(needed)
        )),
        EngineError::TooLate { found } => too_late(found, name),
        EngineError::Soaking { left } => Failure::new(
            Code::Soaking,
            format!("the soak time is not over, {} are left", quantity::duration(left)),
        ),
        EngineError::GateShut(ref shut) => gate_shut(shut, &error, name),
        EngineError::WindowClosed(_) => Failure::of(Code::WindowClosed, &error).next(format!(
            "Look at those rows in the state's table reverse_loss; `{again} --accept-loss` goes \
             back without what was written to them."
        )),
        EngineError::TablesInUse { ref pids } => Failure::of(Code::TablesInUse, &error)
            .also(processes(pids))
            .next(format!("End those transactions, or run `{again}` later.")),
        EngineError::LockNotGranted { ref last, .. } => {
            let code = match last.class() {
                ErrorClass::Reconnect if last.is_of_standby() => Code::Standby,
                ErrorClass::Reconnect => Code::ConnectionLost,
                _ => Code::LockNotGranted,
            };
            let failure = Failure::of(code, &error);
            if code == Code::Standby {
                return failure;
            }
            failure.next(format!(
                "Run `{again}` at a quieter time, or with a longer --max-wait."
            ))
        }
        error => {
            let code = code(&error);
            Failure::of(code, &error)
        }
    }
}

/// What cannot be done any more in stage `found`.
pub(crate) fn too_late(found: Stage, name: &MigrationName) -> Failure {
    let failure = Failure::of(Code::TooLate, &EngineError::TooLate { found });
    match found {
        Stage::RolledBack => failure
            .next("It was rolled back: `crossfade expand` with its plan file registers it anew."),
        Stage::RollingBack => failure.next(format!(
            "It is being rolled back: `crossfade rollback {name}` drops what is left of it."
        )),
        _ => failure,
    }
}

fn code(error: &EngineError) -> Code {
    match error {
        EngineError::NotTheReviewedPlan => Code::NotTheReviewedPlan,
        EngineError::Gap(_) => Code::Gap,
        EngineError::StillBuilding { .. } | EngineError::BuildInTheWay { .. } => {
            Code::StillBuilding
        }
        EngineError::IndexNameTaken(_) => Code::NameTaken,
        EngineError::CatalogMoved => Code::Passing,
        _ => Code::Internal,
    }
}

fn table_gone(error: &dyn Error, side: Side, name: &MigrationName) -> Failure {
    Failure::of(Code::TableGone, error).next(match side {
        Side::Old => format!(
            "Find out who dropped or renamed it: until it bears its name again, every write to the table \
             fails. If it is gone there is no way back, and `crossfade contract {name}` takes away what is \
             left of ours."
        ),
        Side::New => format!(
            "Find out who dropped or renamed it, and give it its name back; `crossfade status {name}` shows \
             where it stands."
        ),
        _ => format!(
            "Find out who dropped or renamed it; `crossfade rollback {name}` takes away what is left of ours."
        ),
    })
}

/// A statement of a step: rows that do not meet it are the user's to mend.
fn query(error: QueryError, again: &str) -> Failure {
    if error.is_of_called_function() {
        return Failure::of(Code::TableFunction, &error).next(format!(
            "Give the function what it needs in any session (alter function ... set search_path), \
             then run `{again}` again; or take the migration back by `crossfade rollback`."
        ));
    }
    if error.class() != ErrorClass::Row {
        return error.into();
    }
    Failure::of(Code::RowsRefused, &error).next(format!(
        "Mend the rows that do not meet it, then run `{again}` again."
    ))
}

fn backfill(error: BackfillError, name: &MigrationName, again: &str) -> Failure {
    let later = || format!("Run `{again}` again: it goes on from what was copied.");
    match error {
        BackfillError::State(error) => error.into(),
        BackfillError::Query(error) => query(error, again),
        BackfillError::Begin(error) => error.into(),
        BackfillError::Connect(error) => error.into(),
        BackfillError::Commit(error) => error.into(),
        BackfillError::Catalog(error) => error.into(),
        BackfillError::SourceGone => table_gone(&error, Side::Source, name),
        BackfillError::TooManyRowErrors { .. } => Failure::of(Code::TooManyRowErrors, &error).next(
            format!("Read the state's table row_error, mend these rows, and run `{again}` again."),
        ),
        BackfillError::PlanShape { .. } => Failure::of(Code::PlanShape, &error).next(format!(
            "Analyze the table, check the server's planner settings, and run `{again}` again."
        )),
        BackfillError::HorizonHeld { ref pids, .. } => Failure::of(Code::HorizonHeld, &error)
            .also(processes(pids))
            .next(format!("End those transactions, or run `{again}` later.")),
        BackfillError::RowsHeld { ref pids, .. } => Failure::of(Code::RowsHeld, &error)
            .also(processes(pids))
            .next(format!("End those transactions, or run `{again}` later.")),
        BackfillError::GaveUp { attempts, last } => {
            let failure = Failure::new(Code::GaveUp, format!("gave up after {attempts} attempts"));
            failure.because(Some(&*last)).next(later())
        }
        error => Failure::of(Code::Internal, &error),
    }
}

fn verify(error: VerifyError, name: &MigrationName, again: &str) -> Failure {
    match error {
        VerifyError::State(error) => error.into(),
        VerifyError::Query(error) => query(error, again),
        VerifyError::Begin(error) => error.into(),
        VerifyError::Connect(error) => error.into(),
        VerifyError::Commit(error) => error.into(),
        VerifyError::RowErrors { .. } => Failure::of(Code::RowErrorsLeft, &error).next(format!(
            "Read the state's table row_error, mend these rows in the table, and run \
             `crossfade backfill {name}`: it tries them again."
        )),
        VerifyError::TableGone { .. } | VerifyError::ColumnGone { .. } => {
            Failure::of(Code::TableGone, &error)
        }
        VerifyError::GaveUp { attempts, last } => {
            let failure = Failure::new(Code::GaveUp, format!("gave up after {attempts} attempts"));
            failure.because(Some(&*last)).next(format!(
                "Run `{again}` again: it goes on from what was compared."
            ))
        }
        VerifyError::SelfTestFailed { .. } => Failure::of(Code::SelfTestFailed, &error),
        error => Failure::of(Code::Internal, &error),
    }
}

/// The findings that stop, each with its remedy.
fn preflight_failure(report: &preflight::Report, again: &str) -> Failure {
    let message = match report.findings.len() {
        1 => "one check does not allow it".to_owned(),
        several => format!("{several} checks do not allow it"),
    };
    let failure = Failure::new(Code::Preflight, message);
    report
        .findings
        .iter()
        .fold(failure, |failure, finding| {
            failure.also(match &finding.remedy {
                Some(remedy) => format!("{}: {}; {remedy}", finding.check, finding.message),
                None => format!("{}: {}", finding.check, finding.message),
            })
        })
        .next(format!("Mend what is named, then run `{again}` again."))
}

fn refused_hazards(hazards: &[Hazard], again: &str) -> Failure {
    let mut ids: Vec<&str> = hazards.iter().map(|hazard| hazard.id.as_str()).collect();
    ids.dedup();
    let options: Vec<String> = ids
        .iter()
        .map(|id| format!("--allow-hazard {id}"))
        .collect();
    hazards
        .iter()
        .fold(
            Failure::new(
                Code::HazardsNotAccepted,
                "the plan has hazards that somebody must accept",
            ),
            |failure, hazard| {
                failure.also(format!(
                    "{} ({}): {}",
                    hazard.id, hazard.subject, hazard.explanation
                ))
            },
        )
        .next(format!(
            "If that is what you want, run `{again} {}`.",
            options.join(" ")
        ))
}

fn gate_shut(shut: &Shut, error: &EngineError, name: &MigrationName) -> Failure {
    let (code, next) = match shut {
        Shut::Held => (
            Code::WaitingForPeople,
            format!("`crossfade unhold {name}` opens it."),
        ),
        Shut::Approvals(roles) => (
            Code::WaitingForPeople,
            roles
                .iter()
                .map(|role| format!("`crossfade approve {name} --role {role}`"))
                .collect::<Vec<_>>()
                .join(" and ")
                + " by those who speak for them.",
        ),
        Shut::NotProved | Shut::Stage(_) | Shut::Gap(_) => (
            Code::GateShut,
            format!(
                "Run `crossfade verify {name}`: only a full one without a difference opens it."
            ),
        ),
        Shut::RowErrors(_) => (
            Code::RowErrorsLeft,
            format!("Mend those rows and run `crossfade backfill {name}`, which tries them again."),
        ),
        Shut::Drift(_) => (
            Code::Drift,
            format!(
                "Put the schema back as it was and run `crossfade verify {name}`, or undo the migration by \
                 `crossfade rollback {name}`."
            ),
        ),
        _ => (
            Code::GateShut,
            format!("`crossfade status {name}` shows more."),
        ),
    };
    Failure::of(code, error).next(next)
}

/// The command that reaches a stage.
fn reaching(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned | Stage::Expanded => "expand",
        Stage::Backfilling | Stage::Backfilled => "backfill",
        Stage::Verified => "verify",
        Stage::CutOver => "cutover",
        Stage::Contracted => "contract",
        Stage::RollingBack | Stage::RolledBack => "rollback",
    }
}

fn processes(pids: &[i32]) -> String {
    if pids.is_empty() {
        return "nobody can tell who".to_owned();
    }
    let named: Vec<String> = pids
        .iter()
        .map(|pid| match pid {
            0 => "a prepared transaction".to_owned(),
            pid => format!("process {pid}"),
        })
        .collect();
    named.join(", ")
}
