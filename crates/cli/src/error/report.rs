//! An error as people read it.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use textwrap::WordSplitter;

use super::Failure;

/// What the stream can show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// A terminal draws lines of its own, a pipe gets ASCII.
    pub(crate) terminal: bool,
    /// Whether colours are wanted.
    pub(crate) color: bool,
    /// Columns of a line.
    pub(crate) width: usize,
}

/// The error with its code, the place in the file, the state of the database, and the next step.
pub(crate) fn as_text(failure: &Failure, look: Look) -> String {
    let theme = match look {
        Look {
            color: true,
            terminal: true,
            ..
        } => GraphicalTheme::unicode(),
        Look { color: true, .. } => GraphicalTheme::ascii(),
        Look { terminal: true, .. } => GraphicalTheme::unicode_nocolor(),
        Look { .. } => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(look.width)
        // Commands are there to be copied.
        .with_break_words(false)
        .with_word_splitter(WordSplitter::NoHyphenation);
    let mut text = String::new();
    match handler.render_report(&mut text, &Report::new(failure)) {
        Ok(()) => text,
        // A label outside the text; the words are worth more than the picture.
        Err(fmt::Error) => format!("{}: {}\n", failure.code().page().code, failure.message()),
    }
}

/// The failure as miette takes it.
struct Report<'a> {
    failure: &'a Failure,
    source: Option<NamedSource<String>>,
    cause: Option<Cause>,
}

impl<'a> Report<'a> {
    fn new(failure: &'a Failure) -> Self {
        let source = failure
            .place()
            .and_then(|place| Some(NamedSource::new(&place.file, place.text.clone()?)));
        Self {
            failure,
            source,
            cause: Cause::first(failure.causes()),
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.failure.place()
            && place.text.is_none()
            && let Some(label) = place.labels.first()
        {
            write!(
                f,
                "{}, line {}, column {}: ",
                place.file, label.line, label.column
            )?;
        }
        f.write_str(self.failure.message())
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.failure, f)
    }
}

impl std::error::Error for Report<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl Diagnostic for Report<'_> {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let page = self.failure.code().page();
        Some(Box::new(format!("{}: {}", page.code, page.title)))
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let state = self.failure.code().page().state;
        Some(Box::new(format!("{}\n{state}", self.failure.next_step())))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.failure.place()?;
        Some(Box::new(place.labels.iter().map(|label| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            LabeledSpan::new(text, label.span.start, label.span.len())
        })))
    }
}

/// One of the causes, and those behind it.
#[derive(Debug)]
struct Cause {
    text: String,
    behind: Option<Box<Cause>>,
}

impl Cause {
    fn first(causes: &[String]) -> Option<Self> {
        let (text, behind) = causes.split_first()?;
        Some(Self {
            text: text.clone(),
            behind: Self::first(behind).map(Box::new),
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.behind.as_deref().map(|cause| cause as _)
    }
}
