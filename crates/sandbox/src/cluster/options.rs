//! How a cluster is configured.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use super::error::ClusterError;

/// Settings of a cluster.
///
/// The default takes 100 connections, keeps 256 MB of WAL for its replicas, and does
/// not flush to disk: that is safe against a crash of the server, not of the machine.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    settings: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        let options = Self {
            settings: Vec::new(),
        };
        options
            .setting("fsync", "off")
            .setting("full_page_writes", "off")
            .setting("max_connections", "100")
            .setting("wal_keep_size", "256MB")
            .setting("timezone", "UTC")
            .setting("log_timezone", "UTC")
            .setting("log_line_prefix", "%m [%p] %q%u@%d %a ")
    }
}

impl ClusterOptions {
    /// Flushes to disk as a production server does. For whatever measures or proves
    /// durability.
    #[must_use]
    pub fn durable(self) -> Self {
        self.setting("fsync", "on")
            .setting("full_page_writes", "on")
    }

    /// The most connections at a time, those of replicas not counted.
    #[must_use]
    pub fn max_connections(self, count: u16) -> Self {
        self.setting("max_connections", &count.to_string())
    }

    /// A line of `postgresql.conf`; the last one of a name wins. It can be changed
    /// while the server runs by `alter system`, unlike an argument of the server.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn write(&self, data: &Path) -> Result<(), ClusterError> {
        let path = data.join("postgresql.conf");
        OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(self.lines().as_bytes()))
            .map_err(ClusterError::io("write", path))
    }

    fn lines(&self) -> String {
        self.settings
            .iter()
            .fold(String::new(), |mut lines, (name, value)| {
                let quoted = value.replace('\'', "''");
                writeln!(lines, "{name} = '{quoted}'").expect("writing to a string never fails");
                lines
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted() {
        let options = ClusterOptions { settings: vec![] }.setting("log_line_prefix", "it's ");
        assert_eq!(options.lines(), "log_line_prefix = 'it''s '\n");
    }
}
