//! Lines of text that fit the terminal.

use textwrap::{Options, WordSplitter};

use super::terminal_width;

/// Columns of a label; a longer one takes one more.
const LABEL: usize = 12;

/// `label` and what belongs to it, in as many lines as it takes.
pub(crate) fn labelled(label: &str, text: &str) -> String {
    filled(&format!("{label:<0$} ", LABEL - 1), LABEL, text)
}

/// What a command says at its end.
pub(crate) fn sentence(text: &str) -> String {
    filled("", 2, text)
}

/// A paragraph, indented.
pub(crate) fn wrapped(text: &str) -> String {
    filled("  ", 4, text)
}

/// `text` after `first`; the lines that follow are indented by `indent`. Options are not broken at
/// their hyphens: commands are there to be copied.
pub(crate) fn filled(first: &str, indent: usize, text: &str) -> String {
    let indent = " ".repeat(indent);
    let options = Options::new(usize::from(terminal_width()))
        .initial_indent(first)
        .subsequent_indent(&indent)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_below_their_beginning() {
        let text = labelled("found", &"word ".repeat(20));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("found       word word"));
        assert!(lines[1].starts_with("            word"));
        assert!(lines.iter().all(|line| line.chars().count() <= 80));
    }
}
