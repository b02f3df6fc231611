//! Errors of a plan file, with the places in its text.

use crossfade_plan::file::{PlanFileError, PlanFileErrorKind, PlanFileErrors};

use super::{Code, Failure, Label, Place};

/// Everything that is wrong with a plan file: the first error is the message, the others are
/// further labels in the text.
pub(crate) fn plan_file_failure(errors: &PlanFileErrors, file: &str, text: &str) -> Failure {
    let first = errors.first();
    let mut labels = vec![Label::new(first.position(), "")];
    if let Some((position, text)) = first.related() {
        labels.push(Label::new(position, text));
    }
    for error in errors.iter().skip(1) {
        labels.push(Label::new(error.position(), error.message()));
    }
    let failure = Failure::new(code(first), first.message()).at(Place {
        file: file.to_owned(),
        text: Some(text.to_owned()),
        labels,
    });
    match first.help() {
        Some(help) => failure.next(sentence(help)),
        None => failure,
    }
}

fn code(error: &PlanFileError) -> Code {
    match error.kind() {
        PlanFileErrorKind::Syntax => Code::PlanFileSyntax,
        PlanFileErrorKind::Format => Code::PlanFileFormat,
        PlanFileErrorKind::NotSupportedYet => Code::NotSupportedYet,
        _ => Code::PlanFileInvalid,
    }
}

/// Helps are written without capital and full stop, the registry's sentences with both.
pub(crate) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string());
    let end = if text.ends_with(['.', '`']) { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), characters.as_str())
}
