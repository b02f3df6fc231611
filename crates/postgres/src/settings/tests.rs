//! Resolution order, defaults and secrecy of the settings.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use rstest::rstest;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio_postgres::config::SslMode;

use super::*;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A home directory and variables; nothing of this process is seen.
struct Surroundings {
    home: TempDir,
    variables: HashMap<&'static str, String>,
}

impl Surroundings {
    fn new(variables: &[(&'static str, &str)]) -> Result<Self> {
        Ok(Self {
            home: tempfile::tempdir()?,
            variables: variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        })
    }

    fn file(&self, name: &str, contents: &str) -> Result<String> {
        let path = self.home.path().join(name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, contents)?;
        Ok(path.to_string_lossy().into_owned())
    }

    fn environment(&self) -> Environment {
        let mut environment = Environment::new(
            |name| self.variables.get(name).cloned(),
            Some(self.home.path().to_owned()),
            Some("os-user".to_owned()),
        );
        environment.socket_directories = vec![
            self.home.path().join("sockets-1"),
            self.home.path().join("sockets-2"),
        ];
        environment
    }

    fn resolve(&self, text: &str) -> std::result::Result<ConnectionSettings, SettingsError> {
        let given = ConnectionString {
            text: text.into(),
            origin: "--database-url",
        };
        ConnectionSettings::resolve(Some(&given), &self.environment())
    }

    fn resolve_without_string(&self) -> std::result::Result<ConnectionSettings, SettingsError> {
        ConnectionSettings::resolve(None, &self.environment())
    }
}

fn password(settings: &ConnectionSettings) -> Option<&str> {
    settings.password.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn a_string_wins_over_a_service_over_the_environment() -> Result {
    let mut surroundings = Surroundings::new(&[
        ("PGHOST", "env-host"),
        ("PGPORT", "1"),
        ("PGUSER", "env-user"),
        ("PGDATABASE", "env-db"),
        ("PGPASSWORD", "env-password"),
        ("PGCONNECT_TIMEOUT", "7"),
    ])?;
    assert_eq!(
        surroundings.resolve_without_string()?.to_string(),
        "postgresql://env-user@env-host:1/env-db"
    );
    surroundings.file(
        ".pg_service.conf",
        "[shop]\nhost=service-host\nport=2\nuser=service-user\n",
    )?;
    surroundings.variables.insert("PGSERVICE", "shop".into());
    let settings = surroundings.resolve_without_string()?;
    assert_eq!(
        settings.to_string(),
        "postgresql://service-user@service-host:2/env-db"
    );
    let settings = surroundings.resolve("postgresql://url-host")?;
    assert_eq!(
        settings.to_string(),
        "postgresql://service-user@url-host:2/env-db"
    );
    assert_eq!(password(&settings), Some("env-password"));
    assert_eq!(settings.connect_timeout, Some(Duration::from_secs(7)));
    let settings = surroundings.resolve("host=url-host user=me password='' port=''")?;
    assert_eq!(
        settings.to_string(),
        "postgresql://me@url-host:5432/env-db",
        "an empty value hides the weaker ones"
    );
    assert_eq!(password(&settings), None);
    Ok(())
}

#[test]
fn a_service_is_looked_for_in_the_named_file_then_in_the_systems() -> Result {
    let mut surroundings = Surroundings::new(&[("PGSERVICE", "both")])?;
    let named = surroundings.file("named.conf", "[both]\nhost=named\n")?;
    surroundings.file(
        "etc/pg_service.conf",
        "[both]\nhost=system\n[system]\nhost=x\n",
    )?;
    let system = surroundings.home.path().join("etc");
    surroundings
        .variables
        .insert("PGSYSCONFDIR", system.to_string_lossy().into_owned());
    surroundings.variables.insert("PGSERVICEFILE", named);
    assert_eq!(
        surroundings.resolve_without_string()?.servers[0].to_string(),
        "named:5432"
    );
    assert_eq!(
        surroundings.resolve("service=system")?.servers[0].to_string(),
        "x:5432"
    );
    let error = surroundings
        .resolve("service=absent")
        .expect_err("no file defines it");
    assert_eq!(
        error.to_string(),
        "--database-url: service `absent` is defined in no service file"
    );
    Ok(())
}

#[test]
fn without_a_word_it_is_the_local_socket_and_the_operating_systems_user() -> Result {
    let surroundings = Surroundings::new(&[])?;
    let home = surroundings.home.path().display().to_string();
    let settings = surroundings.resolve_without_string()?;
    assert_eq!(
        settings.to_string(),
        format!("postgresql://os-user@{home}/sockets-1:5432/os-user")
    );
    assert_eq!(settings.connect_timeout, Some(DEFAULT_CONNECT_TIMEOUT));
    assert_eq!(settings.servers[0].passfile_host, "localhost");
    surroundings.file("sockets-2/.s.PGSQL.5433", "")?;
    let settings = surroundings.resolve("port=5433 connect_timeout=0")?;
    assert_eq!(
        settings.to_string(),
        format!("postgresql://os-user@{home}/sockets-2:5433/os-user")
    );
    assert_eq!(settings.connect_timeout, None);
    Ok(())
}

#[test]
fn lists_of_hosts_addresses_and_ports_go_together() -> Result {
    let surroundings = Surroundings::new(&[])?;
    let servers = |text: &str| -> Result<String> {
        let settings = surroundings.resolve(text)?;
        let shown: Vec<_> = settings.servers.iter().map(Server::to_string).collect();
        Ok(shown.join(" "))
    };
    assert_eq!(servers("host=a,b,/run/pg port=1")?, "a:1 b:1 /run/pg:1");
    assert_eq!(servers("host=a,b port=1,")?, "a:1 b:5432");
    assert_eq!(servers("postgresql://a:1,[::1]:2/x")?, "a:1 [::1]:2");
    assert_eq!(
        servers("hostaddr=192.0.2.1,::1")?,
        "192.0.2.1:5432 [::1]:5432"
    );
    let settings = surroundings.resolve("host=a hostaddr=192.0.2.1")?;
    assert_eq!(
        settings.servers[0].place,
        Place::Host {
            name: "a".to_owned(),
            address: Some("192.0.2.1".parse()?),
        }
    );
    for wrong in ["host=a,b port=1,2,3", "host=a hostaddr=192.0.2.1,192.0.2.2"] {
        let error = surroundings.resolve(wrong).expect_err(wrong);
        assert!(matches!(error, SettingsError::HostList { .. }), "{error}");
    }
    Ok(())
}

#[rstest]
#[case("host=127.0.0.1", SslMode::Prefer)]
#[case("host=localhost", SslMode::Prefer)]
#[case("host=::1", SslMode::Prefer)]
#[case("host=/run/pg", SslMode::Prefer)]
#[case("host=db hostaddr=127.0.0.2", SslMode::Prefer)]
#[case("host=db", SslMode::Require)]
#[case("host=localhost,db", SslMode::Require)]
#[case("host=localhost hostaddr=192.0.2.1", SslMode::Require)]
#[case("host=localhost.example.com", SslMode::Require)]
#[case("host=db sslmode=prefer", SslMode::Prefer)]
#[case("host=db sslmode=allow", SslMode::Prefer)]
#[case("host=db sslmode=disable", SslMode::Disable)]
#[case("host=localhost sslmode=require", SslMode::Require)]
fn tls_is_required_off_loopback_unless_something_else_is_said(
    #[case] text: &str,
    #[case] mode: SslMode,
) -> Result {
    let settings = Surroundings::new(&[])?.resolve(text)?;
    assert_eq!(settings.tls.mode, mode);
    assert_eq!(settings.tls.verification, Verification::None);
    Ok(())
}

#[test]
fn a_root_certificate_decides_how_much_is_checked() -> Result {
    let surroundings = Surroundings::new(&[])?;
    let verification = |text: &str| Ok::<_, Box<dyn Error>>(surroundings.resolve(text)?.tls);
    for mode in ["verify-ca", "verify-full"] {
        let error = surroundings
            .resolve(&format!("host=db sslmode={mode}"))
            .expect_err("there is no root certificate");
        assert!(
            matches!(error, SettingsError::RootCertificateMissing { .. }),
            "{error}"
        );
    }
    let own = PathBuf::from(surroundings.file(".postgresql/root.crt", "")?);
    let other = PathBuf::from(surroundings.file("other.crt", "")?);
    let with_other = format!("host=db sslrootcert={} sslmode=", other.display());
    for (text, expected) in [
        ("host=db".to_owned(), Verification::Chain(own.clone())),
        (
            "host=db sslmode=require".to_owned(),
            Verification::Chain(own.clone()),
        ),
        (
            "host=db sslmode=verify-ca".to_owned(),
            Verification::Chain(own.clone()),
        ),
        (
            "host=db sslmode=verify-full".to_owned(),
            Verification::ChainAndName(Roots::File(own)),
        ),
        (
            format!("{with_other}verify-full"),
            Verification::ChainAndName(Roots::File(other.clone())),
        ),
        (format!("{with_other}require"), Verification::Chain(other)),
        (
            "host=localhost sslrootcert=system".to_owned(),
            Verification::ChainAndName(Roots::System),
        ),
        // Named and missing: it is missed when it is read, not taken for "check nothing".
        (
            "host=db sslrootcert=/nonexistent/ca".to_owned(),
            Verification::Chain("/nonexistent/ca".into()),
        ),
    ] {
        let tls = verification(&text)?;
        assert_eq!(tls.verification, expected, "{text}");
        assert_eq!(tls.mode, SslMode::Require, "{text}");
    }
    let error = surroundings
        .resolve("host=db sslrootcert=system sslmode=require")
        .expect_err("a public certificate without a name proves nothing");
    assert!(error.to_string().contains("verify-full"), "{error}");
    Ok(())
}

#[test]
fn what_would_not_be_honoured_is_refused_by_name_and_place() -> Result {
    let surroundings = Surroundings::new(&[("PGREQUIREPEER", "secret")])?;
    let error = surroundings
        .resolve_without_string()
        .expect_err("the peer is not checked");
    assert_eq!(
        error.to_string(),
        "environment variable PGREQUIREPEER: the connection parameter `requirepeer` is not supported with the value given"
    );
    let surroundings = Surroundings::new(&[("PGAPPNAME", "mine"), ("PGCLIENTENCODING", "UTF8")])?;
    surroundings.resolve("host=db application_name=x gssencmode=disable")?;
    for (text, expected) in [
        (
            "postgresql://db?sslcrl=/secret",
            "--database-url: the connection parameter `sslcrl` is not supported with the value given",
        ),
        (
            "postgresql://db?gssencmode=require",
            "--database-url: the connection parameter `gssencmode` is not supported with the value given",
        ),
        (
            "postgresql://db?shoe_size=secret",
            "--database-url: there is no connection parameter `shoe_size`",
        ),
        (
            "password=my seCret=x",
            "--database-url: there is no connection parameter `(not shown)`",
        ),
        (
            "host=db port=secret",
            "--database-url: the connection parameter `port` must be a number from 1 to 65535, or a list of them",
        ),
        (
            "target_session_attrs=standby",
            "--database-url: the connection parameter `target_session_attrs` must be any, read-write, read-only or primary",
        ),
    ] {
        let error = surroundings.resolve(text).expect_err(text);
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_password_file_is_asked_for_each_server() -> Result {
    use std::os::unix::fs::PermissionsExt;

    let surroundings = Surroundings::new(&[])?;
    let path = surroundings.file(".pgpass", "a:5432:shop:app:for-a\nb:7:*:app:for-b\n")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    let settings = surroundings.resolve("host=a,b,c port=5432,7,7 dbname=shop user=app")?;
    let mut found = Vec::new();
    for server in &settings.servers {
        let password = settings.stored_password(server).await?;
        found.push(password.map(|password| password.expose_secret().to_owned()));
    }
    assert_eq!(
        found,
        [Some("for-a".to_owned()), Some("for-b".to_owned()), None]
    );

    let settings = surroundings.resolve("host=a dbname=shop user=app password=given")?;
    let password = settings.stored_password(&settings.servers[0]).await?;
    assert_eq!(
        password.as_ref().map(ExposeSecret::expose_secret),
        Some("given"),
        "a given password wins over the file"
    );
    Ok(())
}

#[test]
fn no_secret_is_shown() -> Result {
    let surroundings = Surroundings::new(&[("PGPASSWORD", "hunter2")])?;
    let environment = surroundings.environment();
    let given = ConnectionString {
        text: "postgresql://app:hunter2@db/shop?passfile=/x".into(),
        origin: "--database-url",
    };
    let settings = ConnectionSettings::resolve(Some(&given), &environment)?;
    assert_eq!(password(&settings), Some("hunter2"));
    for shown in [
        format!("{environment:?}"),
        format!("{given:?}"),
        format!("{settings:?}"),
        format!("{:#?}", settings.base),
        settings.to_string(),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(settings.to_string(), "postgresql://app@db:5432/shop");
    Ok(())
}

#[test]
fn a_client_certificate_is_used_where_there_is_one() -> Result {
    let surroundings = Surroundings::new(&[])?;
    assert_eq!(
        surroundings.resolve("host=db")?.tls.client_certificate,
        None
    );
    let certificate = surroundings.file(".postgresql/postgresql.crt", "")?;
    let found = surroundings.resolve("host=db sslkey=/key")?.tls;
    assert_eq!(
        found.client_certificate,
        Some(ClientCertificate {
            certificate: certificate.into(),
            key: Path::new("/key").to_owned(),
        })
    );
    let found = surroundings.resolve("host=db sslmode=disable")?.tls;
    assert_eq!(found.client_certificate, None);
    Ok(())
}
