//! The log, on standard error.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::arguments::LogFormat;

/// Starts the log. `CROSSFADE_LOG`, or else `RUST_LOG`, may say more exactly than `verbose` what is
/// logged.
///
/// Only what is written by `tracing` is logged. The driver writes by the `log` crate, statements
/// with the values of their parameters and the server's notices among it: there is no bridge from
/// there to here, so that no filter, however it is written, can let them through.
pub(crate) fn start(format: LogFormat, verbose: u8, color: bool) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let wanted = ["CROSSFADE_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|variable| std::env::var(variable).ok().filter(|text| !text.is_empty()));
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .parse_lossy(wanted.unwrap_or_default());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(log.with_ansi(color).finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(log.json().flatten_event(true).finish())
        }
    };
    // Only this function starts one.
    drop(started);
}
