//! The disk has room for a second copy of the table.

use crossfade_postgres::catalog::Estimates;

use super::{Context, Finding, Outcome};
use crate::error::EngineError;

const CHECK: &str = "disk";

/// What the copy needs beside its own size: WAL, dead versions, sorting of the indexes.
const TIMES: u64 = 2;

/// Twice the table with its indexes. SQL cannot see free space: somebody has to tell.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let estimates = Estimates::load(&context.session, context.expansion.table.oid).await?;
    let needed = estimates
        .map_or(0, |estimates| estimates.total_bytes())
        .saturating_mul(TIMES);
    let shown = mebibytes(needed);
    Ok(match context.limits.free_disk_bytes {
        Some(free) if free >= needed => Finding::pass(
            CHECK,
            format!("{} are free, {shown} are needed", mebibytes(free)),
        ),
        Some(free) => Finding::of(
            CHECK,
            Outcome::Fail,
            format!("{} are free, {shown} are needed", mebibytes(free)),
            "make room on the server's disk first",
        ),
        None => Finding::of(
            CHECK,
            Outcome::Unknown,
            format!("{shown} are needed, and SQL cannot see how much is free"),
            "look at the server's disk, then pass --free-disk SIZE, or --accept-unknown disk",
        ),
    })
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}
