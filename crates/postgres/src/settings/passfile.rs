//! libpq's password file: which password belongs to a server, database and user.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// Permission bits that let anybody but the owner read the file.
const READABLE_BY_OTHERS: u32 = 0o077;

/// What a line of the file is compared with, in the order of its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a> {
    /// Host name; `localhost` for a socket in a default directory.
    pub(crate) host: &'a str,
    /// Port of the server.
    pub(crate) port: u16,
    /// Database to connect to.
    pub(crate) database: &'a str,
    /// Role to connect as.
    pub(crate) user: &'a str,
}

/// A password file, read again for each new connection: passwords are rotated while a migration runs.
#[derive(Clone, Debug)]
pub(crate) struct Passfile(pub(super) PathBuf);

impl Passfile {
    /// The password of `account`; `None` when no line matches, or the file is missing or readable by others.
    pub(crate) async fn password(&self, account: Account<'_>) -> io::Result<Option<SecretString>> {
        let metadata = match tokio::fs::metadata(&self.0).await {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !metadata.is_file() {
            tracing::warn!(path = %self.0.display(), "password file ignored: not a plain file");
            return Ok(None);
        }
        if metadata.mode() & READABLE_BY_OTHERS != 0 {
            tracing::warn!(
                path = %self.0.display(),
                "password file ignored: others can read it, its permissions should be 0600"
            );
            return Ok(None);
        }
        let contents = SecretString::from(tokio::fs::read_to_string(&self.0).await?);
        Ok(find(&contents, account))
    }
}

/// The password on the first line that matches `account`.
fn find(contents: &SecretString, account: Account<'_>) -> Option<SecretString> {
    let port = account.port.to_string();
    let wanted = [account.host, &port, account.database, account.user];
    contents
        .expose_secret()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut rest = line;
            for field in wanted {
                let (found, after) = take_field(rest);
                // Only a bare asterisk is a wildcard, an escaped one is a name.
                let is_wildcard = rest.starts_with("*:");
                if !is_wildcard && found != field {
                    return None;
                }
                rest = after?;
            }
            let (password, _) = take_field(rest);
            (!password.is_empty()).then(|| password.into())
        })
}

/// The field at the front of `line` without its escapes, and what follows its colon, if there is one.
fn take_field(line: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ':' => return (field, Some(&line[at + 1..])),
            '\\' => field.push(characters.next().map_or('\\', |(_, escaped)| escaped)),
            other => field.push(other),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use rstest::rstest;

    use super::*;

    const ACCOUNT: Account<'_> = Account {
        host: "db",
        port: 5432,
        database: "shop",
        user: "app",
    };

    #[rstest]
    #[case::exact("db:5432:shop:app:right", Some("right"))]
    #[case::wildcards("*:*:*:*:right", Some("right"))]
    #[case::first_match_wins("db:5432:shop:app:right\n*:*:*:*:wrong", Some("right"))]
    #[case::host("dc:5432:shop:app:wrong", None)]
    #[case::port("db:5433:shop:app:wrong", None)]
    #[case::database("db:5432:shops:app:wrong", None)]
    #[case::user("db:5432:shop:ap:wrong", None)]
    #[case::comment("#db:5432:shop:app:wrong\n*:*:*:app:right", Some("right"))]
    #[case::escapes(r"db:5432:shop:app:ri\:g\\ht", Some(r"ri:g\ht"))]
    #[case::escaped_name(r"d\b:5432:shop:app:right", Some("right"))]
    #[case::password_ends_at_a_colon("db:5432:shop:app:right:more", Some("right"))]
    #[case::too_short("db:5432:shop:app", None)]
    #[case::escaped_asterisk_is_a_name(r"\*:5432:shop:app:wrong", None)]
    #[case::empty("db:5432:shop:app:", None)]
    fn lines_match_as_in_libpq(#[case] contents: &str, #[case] expected: Option<&str>) {
        let password = find(&contents.into(), ACCOUNT);
        assert_eq!(password.as_ref().map(ExposeSecret::expose_secret), expected);
    }

    #[rstest]
    #[case(0o600, true)]
    #[case(0o640, false)]
    #[case(0o604, false)]
    #[tokio::test]
    async fn a_file_that_others_can_read_is_ignored(
        #[case] mode: u32,
        #[case] used: bool,
    ) -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("pgpass");
        std::fs::write(&path, "*:*:*:*:secret\n")?;
        std::fs::set_permissions(&path, Permissions::from_mode(mode))?;
        let password = Passfile(path).password(ACCOUNT).await?;
        assert_eq!(password.is_some(), used);
        Ok(())
    }

    #[tokio::test]
    async fn a_missing_file_holds_no_password() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let missing = Passfile(directory.path().join("pgpass"));
        assert!(missing.password(ACCOUNT).await?.is_none());
        Ok(())
    }
}
