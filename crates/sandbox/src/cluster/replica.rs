//! The copy that a streaming replica starts from.

use std::path::Path;

use super::error::ClusterError;
use super::{Cluster, SUPERUSER};

/// Copies the data directory of `primary`, with the settings that make a server on
/// the copy follow it under the `application_name` `name`.
pub(super) async fn copy(primary: &Cluster, name: &str, data: &Path) -> Result<(), ClusterError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(ClusterError::ReplicaName(name.to_owned()));
    }
    let conninfo = format!(
        "host=127.0.0.1 port={} user={SUPERUSER} application_name={name}",
        primary.port()
    );
    primary
        .binaries
        .pg_basebackup(&primary.directory, |command| {
            command
                .env("PGPASSWORD", primary.password())
                .arg("--pgdata")
                .arg(data)
                .args(["--dbname", &conninfo])
                .args(["--write-recovery-conf", "--wal-method=stream"])
                .args(["--checkpoint=fast", "--no-sync", "--no-password"]);
        })
        .await
}
