//! Says what happens now and why, a line at a time, with the elapsed time in front.

use std::io::{self, ErrorKind, IsTerminal};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::arguments::Color;
use crate::error::Failure;
use crate::output;

/// What stands under the elapsed time.
const INDENT: &str = "         ";

const BOLD: &str = "\x1b[1m";
const FAINT: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Writes to standard output, without control characters where that is no terminal.
#[derive(Debug)]
pub(super) struct Narrator {
    begun: Instant,
    colored: bool,
    stop: CancellationToken,
}

impl Narrator {
    /// `stop` is cancelled when nobody reads any more.
    pub(super) fn new(color: Color, stop: CancellationToken) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && !no_color,
        };
        Self {
            begun: Instant::now(),
            colored,
            stop,
        }
    }

    /// Something happens now.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        self.write(&wrapped(&self.time(), text))
    }

    /// More about what was said.
    pub(super) fn add(&self, text: &str) -> Result<(), Failure> {
        self.write(&wrapped(INDENT, text))
    }

    /// A command that is run now, as a person would type it.
    pub(super) fn command(&self, line: &str) -> Result<(), Failure> {
        let time = self.time();
        self.write(&format!(
            "\n{time}{}\n",
            self.styled(BOLD, &format!("$ {line}"))
        ))
    }

    /// Text that stands for itself, such as a file.
    pub(super) fn quote(&self, text: &str) -> Result<(), Failure> {
        let lines = text.lines();
        let lines = lines.map(|line| format!("{INDENT}  {}\n", self.styled(FAINT, line)));
        self.write(&lines.collect::<String>())
    }

    /// The end of the story.
    pub(super) fn report(&self, text: &str) -> Result<(), Failure> {
        self.write(text)
    }

    pub(super) fn blank(&self) -> Result<(), Failure> {
        self.write("\n")
    }

    fn time(&self) -> String {
        format!("{:>6.1}s  ", self.begun.elapsed().as_secs_f64())
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colored {
            format!("{style}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        match output::write(text) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.stop.cancel();
                Ok(())
            }
            Err(error) => Err(output::unwritable(&error)),
            Ok(()) => Ok(()),
        }
    }
}

fn wrapped(front: &str, text: &str) -> String {
    output::filled(front, INDENT.len(), text) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_under_the_text() {
        let text = wrapped("  12.3s  ", &"word ".repeat(20));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines.iter().all(|line| line.len() <= 80), "{text}");
        assert!(lines[0].starts_with("  12.3s  word"), "{text}");
        assert!(lines[1].starts_with("         word"), "{text}");
    }

    #[test]
    fn a_pipe_gets_no_control_character() {
        let narrator = Narrator::new(Color::Never, CancellationToken::new());
        assert_eq!(narrator.styled(BOLD, "plain"), "plain");
        let narrator = Narrator::new(Color::Always, CancellationToken::new());
        assert_eq!(narrator.styled(BOLD, "bold"), "\x1b[1mbold\x1b[0m");
    }
}
