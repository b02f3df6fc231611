//! How long the chunks of a backfill took, from the server's own log.
//!
//! The migrator's statements are logged with their durations; each stands at its end. A chunk is
//! what lies between the lock of the table and the end of the commit: the longest that anybody
//! can have waited for a row of it.

use std::collections::HashMap;

/// Milliseconds of each chunk of a migration's backfill, sorted.
pub(crate) fn chunks(log: &str, migration: &str) -> Vec<f64> {
    let tag = format!("/* crossfade:{migration}/backfill */ ");
    let mut locked: HashMap<&str, f64> = HashMap::new();
    let mut chunks = Vec::new();
    for line in log.lines() {
        let Some((before, statement)) = line.split_once(&tag) else {
            continue;
        };
        let mut prefix = before.split(' ');
        let (Some(Ok(at)), Some(process)) = (prefix.next().map(str::parse::<f64>), prefix.next())
        else {
            continue;
        };
        if !before.contains("duration: ") {
            continue;
        }
        if statement.starts_with("lock table") {
            locked.insert(process, at);
        } else if statement.ends_with("rollback") {
            locked.remove(process);
        } else if statement.ends_with("commit")
            && let Some(begun) = locked.remove(process)
        {
            chunks.push((at - begun) * 1000.0);
        }
    }
    chunks.sort_by(f64::total_cmp);
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
1000.100 7 m LOG:  duration: 0.1 ms  statement: /* crossfade:a/backfill */ lock table only x in row share mode
1000.120 8 m LOG:  duration: 0.1 ms  statement: /* crossfade:a/backfill */ lock table only x in row share mode
1000.130 7 m LOG:  duration: 0.1 ms  execute <unnamed>: /* crossfade:a/backfill */ insert into x
\tselect 1
1000.150 7 m LOG:  duration: 0.1 ms  statement: /* crossfade:a/backfill */ select 1; commit
1000.160 8 m LOG:  duration: 0.1 ms  statement: /* crossfade:a/backfill */ rollback
1000.170 8 m LOG:  duration: 0.1 ms  statement: /* crossfade:a/backfill */ select 1; commit
1000.180 7 m LOG:  duration: 0.1 ms  statement: /* crossfade:a/closing */ lock table only x in row share mode
1000.190 7 m LOG:  duration: 0.1 ms  statement: /* crossfade:a/backfill */ select 1; commit
1000.200 9 m LOG:  duration: 0.1 ms  statement: /* crossfade:b/backfill */ lock table only x in row share mode
1000.210 9 m LOG:  duration: 0.1 ms  statement: /* crossfade:b/backfill */ select 1; commit
";

    #[test]
    fn a_chunk_is_from_the_lock_to_the_commit_of_one_process() {
        let chunks = chunks(LOG, "a");
        assert_eq!(chunks.len(), 1, "{chunks:?}");
        assert!((chunks[0] - 50.0).abs() < 0.01, "{chunks:?}");
    }
}
