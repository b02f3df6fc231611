//! The progress of a running command: one consumer of the engine's events for each kind of
//! reader. Where the reader is gone, the work goes on.

mod bar;
mod block;
#[cfg(test)]
mod example;
mod line;
mod picture;
mod report;

pub use line::EventLines;
pub use report::{Audience, Reporter};

pub(crate) use picture::wait_text;
