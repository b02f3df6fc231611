//! The status of a migration: read from the state alone, so that it can be asked for at any time,
//! from any host, and blocks nobody.

mod next;
mod read;
mod text;
mod view;

pub use read::read_status;
pub use text::status_lines;
pub use view::{RunnerView, StatusView, VerificationView, WayBackView};
