//! YAML in: one bounded document, and the parser's errors in the words of plan files.

use serde::de::DeserializeOwned;
use serde_saphyr::{
    DeserializeError, DuplicateKeyPolicy, MergeKeyPolicy, MessageFormatter, Options,
    UserMessageFormatter,
};

use super::{
    error::{PlanFileError, PlanFileErrorKind},
    position::Position,
};

/// Longest plan file, in bytes: far above any real one, and small enough to parse at once.
const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting of lists and maps: each level takes stack.
const MAX_DEPTH: usize = 32;

/// Reads the one document of `text`.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Box<PlanFileError>> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "the plan file has {} bytes, the longest that is read has {MAX_BYTES}",
            text.len()
        );
        return Err(syntax(message, None));
    }
    if text.trim().is_empty() {
        return Err(empty());
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| convert(&error, text))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_events: 200_000,
            max_nodes: 100_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // A merged map hides from the reviewer what the file says.
        merge_keys: MergeKeyPolicy::Error,
        // `off` is our word for a threshold without limit, not YAML 1.1's false.
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn syntax(message: String, help: Option<String>) -> Box<PlanFileError> {
    Box::new(PlanFileError {
        kind: PlanFileErrorKind::Syntax,
        message,
        help,
        position: Position::START,
        related: None,
    })
}

/// The error for a file without content.
pub(super) fn empty() -> Box<PlanFileError> {
    let help = "a plan file has name, table and operations at least";
    syntax("the plan file is empty".to_owned(), Some(help.to_owned()))
}

fn convert(error: &DeserializeError, text: &str) -> Box<PlanFileError> {
    let error = innermost(error);
    let position = error
        .location()
        .map_or(Position::START, |location| Position::new(location, text));
    let (kind, message, help) = describe(error);
    Box::new(PlanFileError {
        kind,
        message,
        help,
        position,
        related: None,
    })
}

/// An error behind an alias says where the alias stands, and its own error says what is wrong.
fn innermost(error: &DeserializeError) -> &DeserializeError {
    match error {
        DeserializeError::WithSnippet { error, .. }
        | DeserializeError::AliasError { error, .. } => innermost(error),
        other => other,
    }
}

fn describe(error: &DeserializeError) -> (PlanFileErrorKind, String, Option<String>) {
    use DeserializeError as E;
    use PlanFileErrorKind::{Format, Syntax};
    match error {
        E::SerdeUnknownField {
            field, expected, ..
        } => (
            Format,
            format!("unknown key `{field}`"),
            Some(one_of("the keys here are", expected)),
        ),
        E::SerdeUnknownVariant {
            variant, expected, ..
        } => (
            Format,
            format!("unknown word `{variant}`"),
            Some(one_of("the words here are", expected)),
        ),
        E::SerdeMissingField { field, .. } => (Format, format!("key `{field}` is missing"), None),
        E::SerdeInvalidType {
            unexpected,
            expected,
            ..
        }
        | E::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => {
            let found = if unexpected == "unit value" {
                "null"
            } else {
                unexpected
            };
            (Format, format!("found {found}, expected {expected}"), None)
        }
        E::Unexpected { expected, .. } => {
            let expected = match *expected {
                "mapping start" => "a map of keys and values",
                "sequence start" => "a list",
                "string scalar" => "a text",
                other => other,
            };
            (Format, format!("expected {expected}"), None)
        }
        E::InvalidScalar { ty, .. } => {
            let expected = match *ty {
                "floating point" => "a number",
                _ => "a whole number",
            };
            (Format, format!("expected {expected}"), None)
        }
        E::Message { msg, .. } => (Format, msg.clone(), None),
        E::DuplicateMappingKey { key, .. } => (
            Syntax,
            match key {
                Some(key) => format!("key `{key}` stands here twice"),
                None => "a key stands here twice".to_owned(),
            },
            None,
        ),
        E::MultipleDocuments { .. } => (
            Syntax,
            "a second document begins here".to_owned(),
            Some("a plan file is one document with one migration".to_owned()),
        ),
        E::MergeKeyNotAllowed { .. } => (
            Syntax,
            "merge keys (<<) are not read in plan files".to_owned(),
            Some("write the keys out, so that a reviewer sees them".to_owned()),
        ),
        E::Budget { .. } => (
            Syntax,
            "the plan file is nested too deep or too large".to_owned(),
            Some(format!(
                "at most {MAX_DEPTH} levels and 100,000 values are read"
            )),
        ),
        E::ExternalMessage { .. } | E::Eof { .. } => (Syntax, user_message(error), None),
        _ => (Format, user_message(error), None),
    }
}

fn user_message(error: &DeserializeError) -> String {
    UserMessageFormatter.format_message(error).into_owned()
}

fn one_of(introduction: &str, words: &[&str]) -> String {
    format!("{introduction} {}", words.join(", "))
}
