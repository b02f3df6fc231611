//! The name that a connection shows in `pg_stat_activity`.

/// Bytes that PostgreSQL keeps of a name (`NAMEDATALEN - 1`); it cuts the rest off.
const MAX_BYTES: usize = 63;

const PREFIX: &str = "crossfade/";

/// `crossfade/<tag>`, at most 63 bytes of printable ASCII: the form in which PostgreSQL shows it, so that a connection
/// can be found again by this text. Of a long tag `<migration>/<role>` the migration is cut and the role stays.
pub(super) fn application_name(tag: &str) -> String {
    let tag = printable(tag);
    let (migration, role) = tag
        .rsplit_once('/')
        .map_or(("", tag.as_str()), |parts| parts);
    let separator = if migration.is_empty() { "" } else { "/" };
    let space = MAX_BYTES - PREFIX.len() - separator.len();
    let role = &role[..role.len().min(space)];
    let migration = &migration[..migration.len().min(space - role.len())];
    format!("{PREFIX}{migration}{separator}{role}")
}

/// PostgreSQL replaces everything that is not printable ASCII as well.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_and_keeps_its_role() {
        assert_eq!(
            application_name("orders-bigint/backfill"),
            "crossfade/orders-bigint/backfill"
        );
        assert_eq!(application_name("status"), "crossfade/status");
        let long = application_name(&format!("{}/verify", "ä".repeat(100)));
        assert_eq!(long.len(), MAX_BYTES);
        assert!(long.starts_with("crossfade/???"), "{long}");
        assert!(long.ends_with("?/verify"), "{long}");
        let long = application_name(&format!("m/{}", "r".repeat(100)));
        assert_eq!(long.len(), MAX_BYTES);
    }
}
