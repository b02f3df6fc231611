//! A command line that cannot be used, or that asks for help.

use clap::error::ErrorKind;

use crate::arguments::{Color, Format};
use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::output;
use crate::stderr::Stderr;

/// Prints help or version where that was asked for, else what is wrong.
pub(crate) fn refuse(error: &clap::Error) -> Exit {
    let given: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|text| text.to_string_lossy().into_owned())
        .collect();
    // The line could not be parsed, so what it says about the form of errors is looked for.
    let format = match option(&given, "--format") {
        Some("json") => Format::Json,
        _ => Format::Text,
    };
    let color = match option(&given, "--color") {
        Some("always") => Some(Color::Always),
        Some("never") => Some(Color::Never),
        _ => None,
    };
    let stderr = Stderr::new(format, color);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match output::print(&error.render().to_string()) {
                Ok(()) => Exit::Done,
                Err(failure) => {
                    stderr.report(&failure);
                    failure.exit()
                }
            }
        }
        _ => {
            let failure = failure(error);
            stderr.report(&failure);
            failure.exit()
        }
    }
}

/// The parser's words, without its headlines and without any password: the first paragraph is
/// what is wrong, a tip or else the usage is what to do.
fn failure(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::new(Code::CommandLine, "a command is missing");
    }
    let text = without_passwords(&error.render().to_string());
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let starting = |head: &str| {
        paragraphs
            .iter()
            .find_map(|text| Some(text.strip_prefix(head)?.trim().to_owned()))
    };
    let message = starting("error:").unwrap_or_else(|| paragraphs.join(" "));
    let failure = Failure::new(Code::CommandLine, message);
    let tip = starting("tip:").map(|tip| format!("Tip: {tip}."));
    match tip.or_else(|| starting("Usage:").map(|usage| format!("Usage: {usage}"))) {
        Some(next) => failure.next(next),
        None => failure,
    }
}

/// The value of an option, in both of its forms.
fn option<'a>(given: &'a [String], name: &str) -> Option<&'a str> {
    given
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, text)| match text.strip_prefix(name)? {
            "" => given.get(at + 1).map(String::as_str),
            value => value.strip_prefix('='),
        })
}

/// Blots out what may be a password: somebody forgot `--database-url` before the URL, or quotes
/// around `host=... password=...`.
fn without_passwords(text: &str) -> String {
    let blotted = text.split_inclusive(char::is_whitespace).map(|word| {
        if let Some((scheme, rest)) = word.split_once("://")
            && let Some((_, host)) = rest.rsplit_once('@')
        {
            return format!("{scheme}://***@{host}");
        }
        match word.split_once("password=") {
            Some((before, _)) => format!("{before}password=*** "),
            None => word.to_owned(),
        }
    });
    blotted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_blotted_out() {
        let cases = [
            (
                "unexpected argument 'postgres://me:hunter2@db/x' found",
                "unexpected argument 'postgres://***@db/x' found",
            ),
            ("'postgresql://me:p@ss@db'", "'postgresql://***@db'"),
            ("'password=hunter2' found", "'password=*** found"),
            ("'https://example.org'", "'https://example.org'"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_passwords(text), expected);
        }
    }

    #[test]
    fn an_option_is_found_in_both_forms() {
        let given = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            option(&given("plan --format json"), "--format"),
            Some("json")
        );
        assert_eq!(
            option(&given("--format=json plan"), "--format"),
            Some("json")
        );
        assert_eq!(option(&given("--formats json"), "--format"), None);
        assert_eq!(option(&given("plan --format"), "--format"), None);
    }
}
