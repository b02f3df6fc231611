//! What speaks against a plan file once the database is known, with the places in its text.

use crossfade_plan::file::PlanPath;
use crossfade_planner::{PlanErrorKind, PlanErrors};
use crossfade_postgres::catalog::CatalogError;

use super::plan_file::sentence;
use super::{Code, Failure, Label, Place};
use crate::plan_source::PlanSource;

/// Everything that speaks against a plan.
pub(crate) fn plan_failure(errors: &PlanErrors, source: &PlanSource) -> Failure {
    let first = errors.first();
    let code = match first.kind {
        PlanErrorKind::Unsound => Code::Internal,
        _ => Code::PlanMisfit,
    };
    let label = |path: &PlanPath, text: &str| Label::new(source.parsed.positions.find(path), text);
    let mut labels = vec![label(&first.path, "")];
    labels.extend(
        errors
            .iter()
            .skip(1)
            .map(|error| label(&error.path, &error.message)),
    );
    let failure = Failure::new(code, &first.message).at(place(source, labels));
    match &first.help {
        Some(help) => failure.next(sentence(help)),
        None => failure,
    }
}

/// The table of the plan file is not in the database.
pub(crate) fn no_such_table(source: &PlanSource) -> Failure {
    let parsed = &source.parsed;
    let position = parsed.positions.find(&PlanPath::top("table"));
    let message = format!("there is no table {} in the database", parsed.plan.table);
    Failure::new(Code::PlanMisfit, message).at(place(source, vec![Label::new(position, "")]))
}

fn place(source: &PlanSource, labels: Vec<Label>) -> Place {
    Place {
        file: source.name.clone(),
        text: Some(source.text.clone()),
        labels,
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Query(error) => error.into(),
            error => Self::of(Code::Internal, &error),
        }
    }
}
