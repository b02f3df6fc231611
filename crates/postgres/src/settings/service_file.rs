//! libpq's service files: named groups of connection parameters.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{Environment, Origin, SettingsError};

/// Parameters of one service.
type Definition = Vec<(String, SecretString, Origin)>;

/// The parameters of `service`: from `named` (the user's own file when not given), else from the system's file.
/// `origin` is where the service was named.
pub(super) fn load(
    service: &str,
    named: Option<&str>,
    environment: &Environment,
    origin: &Origin,
) -> Result<Definition, SettingsError> {
    let own = named.map(PathBuf::from).or_else(|| {
        let home = environment.home.as_ref()?;
        Some(home.join(".pg_service.conf"))
    });
    let system = environment
        .system_configuration
        .as_ref()
        .map(|directory| directory.join("pg_service.conf"));
    for path in [own, system].into_iter().flatten() {
        let contents = match std::fs::read_to_string(&path) {
            Ok(contents) => contents,
            // A file that is not there defines nothing, as in libpq.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(SettingsError::Unreadable { path, source }),
        };
        if let Some(definition) = find(service, &path, &contents)? {
            return Ok(definition);
        }
    }
    Err(SettingsError::ServiceNotFound {
        service: service.to_owned(),
        origin: origin.clone(),
    })
}

/// The section `[service]` of a file; `None` when it has none.
fn find(service: &str, path: &Path, contents: &str) -> Result<Option<Definition>, SettingsError> {
    let mut definition: Option<Definition> = None;
    for (number, line) in contents.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if definition.is_some() {
                break;
            }
            if name.strip_suffix(']') == Some(service) {
                definition = Some(Vec::new());
            }
            continue;
        }
        let Some(definition) = &mut definition else {
            continue;
        };
        let origin = Origin::ServiceFile {
            path: path.to_owned(),
            line: number + 1,
        };
        let refuse = |reason| SettingsError::ServiceLine {
            origin: origin.clone(),
            reason,
        };
        if line.starts_with("ldap") {
            return Err(refuse("a service defined in LDAP is not supported"));
        }
        let (keyword, value) = line
            .split_once('=')
            .ok_or_else(|| refuse("not of the form keyword=value"))?;
        let keyword = keyword.trim_end();
        if keyword == "service" || keyword == "servicefile" {
            return Err(refuse("a service cannot name another service"));
        }
        definition.push((keyword.to_owned(), value.trim_start().into(), origin));
    }
    Ok(definition)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const FILE: &str = "# services\n[other]\nhost=elsewhere\nnonsense\n\n[shop]\n host=db\nport=6432\n\n[last]\nhost=x\n";

    fn shown(service: &str, contents: &str) -> Result<Option<Vec<String>>, SettingsError> {
        let definition = find(service, Path::new("pg_service.conf"), contents)?;
        Ok(definition.map(|definition| {
            definition
                .iter()
                .map(|(keyword, value, origin)| {
                    format!("{keyword}={} ({origin})", value.expose_secret())
                })
                .collect()
        }))
    }

    #[test]
    fn a_service_is_its_section_and_nothing_else() -> Result<(), SettingsError> {
        assert_eq!(
            shown("shop", FILE)?,
            Some(vec![
                "host=db (service file pg_service.conf, line 7)".to_owned(),
                "port=6432 (service file pg_service.conf, line 8)".to_owned(),
            ])
        );
        assert_eq!(shown("absent", FILE)?, None);
        Ok(())
    }

    #[test]
    fn an_unusable_line_is_named_by_its_number_and_not_repeated() {
        let error = shown("other", FILE).expect_err("line 4 has no value");
        assert_eq!(
            error.to_string(),
            "service file pg_service.conf, line 4: not of the form keyword=value"
        );
        let error = shown("a", "[a]\nservice=b").expect_err("services do not nest");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
