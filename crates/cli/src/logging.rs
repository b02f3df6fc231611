//! The log, on standard error.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::arguments::LogFormat;

/// Starts the log. `RUST_LOG` may say more exactly than `verbose` what is logged.
pub(crate) fn start(format: LogFormat, verbose: u8, color: bool) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // The driver's own log shows statements with the values of their parameters.
    let quiet = ["tokio_postgres=warn", "rustls=warn"];
    let filter = quiet
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(
            EnvFilter::builder()
                .with_default_directive(level.into())
                .from_env_lossy(),
            EnvFilter::add_directive,
        );
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(color).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
