//! A broken invariant ends the process with the documented exit code.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;

use crate::arguments::Format;
use crate::error::{Code, Failure};
use crate::stderr::Stderr;

/// Reports a panic by its place, without its text: that may hold whatever was at hand, values of
/// rows among it. What is not committed rolls back, as if the process had been killed.
pub(crate) fn report_as_internal_error() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {at}"));
        let failure = Failure::new(Code::Internal, format!("an invariant is broken{place}"));
        Stderr::new(Format::Text, None).report(&failure);
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            drop(writeln!(std::io::stderr(), "{backtrace}"));
        }
        std::process::exit(failure.exit().code().into());
    }));
}
