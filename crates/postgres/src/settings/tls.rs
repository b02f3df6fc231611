//! Which protection the settings ask for: libpq's `sslmode`, root certificates and client certificate.

use std::path::{Path, PathBuf};

use tokio_postgres::config::SslMode;

use super::parameter::Parameters;
use super::{Environment, SettingsError};

/// How the server's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Not at all: the connection is encrypted, the server's identity is not proven.
    None,
    /// It is signed by one of the roots; its name is not looked at.
    Chain(PathBuf),
    /// It is signed by one of the roots and names the host.
    ChainAndName(Roots),
}

/// Certificates that others are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// PEM file of certificates.
    File(PathBuf),
    /// The operating system's trust store (`sslrootcert=system`).
    System,
}

/// Files of the client's own certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Protection of a connection over the network. A socket is never encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) mode: SslMode,
    pub(crate) verification: Verification,
    pub(crate) client_certificate: Option<ClientCertificate>,
}

/// The values of `sslmode`; `allow` means `prefer` here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl TlsSettings {
    /// `all_local` says that every server is reached over a socket or loopback: only then may a connection be
    /// unencrypted without being told so.
    pub(super) fn resolve(
        parameters: &Parameters,
        environment: &Environment,
        all_local: bool,
    ) -> Result<Self, SettingsError> {
        let given = given_mode(parameters)?;
        let roots = parameters.get("sslrootcert");
        if let Some(roots) = roots
            && roots.value() == "system"
        {
            // Anybody can get a certificate from a public authority: without the name it proves nothing.
            if given.is_some_and(|mode| mode != Mode::VerifyFull) {
                return Err(roots.invalid(
                    "sslrootcert",
                    "a file, or used with `sslmode=verify-full` when it is `system`",
                ));
            }
            return Self::new(
                SslMode::Require,
                Verification::ChainAndName(Roots::System),
                parameters,
                environment,
            );
        }
        let mode = given.unwrap_or(if all_local {
            Mode::Prefer
        } else {
            Mode::Require
        });
        let (ssl_mode, verification) = match mode {
            Mode::Disable => (SslMode::Disable, Verification::None),
            Mode::Prefer => (SslMode::Prefer, Verification::None),
            Mode::Require => {
                let file = root_file(parameters, environment)
                    .ok()
                    .or_else(|| roots.map(|named| PathBuf::from(named.value())));
                // A file that is named and missing is an error when it is read, not a reason to check less.
                let verification = file.map_or(Verification::None, Verification::Chain);
                (SslMode::Require, verification)
            }
            Mode::VerifyCa => (
                SslMode::Require,
                Verification::Chain(root_file(parameters, environment)?),
            ),
            Mode::VerifyFull => (
                SslMode::Require,
                Verification::ChainAndName(Roots::File(root_file(parameters, environment)?)),
            ),
        };
        Self::new(ssl_mode, verification, parameters, environment)
    }

    fn new(
        mode: SslMode,
        verification: Verification,
        parameters: &Parameters,
        environment: &Environment,
    ) -> Result<Self, SettingsError> {
        let client_certificate = if mode == SslMode::Disable {
            None
        } else {
            client_certificate(parameters, environment)?
        };
        Ok(Self {
            mode,
            verification,
            client_certificate,
        })
    }
}

fn given_mode(parameters: &Parameters) -> Result<Option<Mode>, SettingsError> {
    let Some(parameter) = parameters.get("sslmode") else {
        return Ok(None);
    };
    match parameter.value() {
        "disable" => Ok(Some(Mode::Disable)),
        "allow" | "prefer" => Ok(Some(Mode::Prefer)),
        "require" => Ok(Some(Mode::Require)),
        "verify-ca" => Ok(Some(Mode::VerifyCa)),
        "verify-full" => Ok(Some(Mode::VerifyFull)),
        _ => Err(parameter.invalid(
            "sslmode",
            "disable, allow, prefer, require, verify-ca or verify-full",
        )),
    }
}

/// The file of root certificates, which must exist.
fn root_file(parameters: &Parameters, environment: &Environment) -> Result<PathBuf, SettingsError> {
    let path = match parameters.get("sslrootcert") {
        Some(named) => PathBuf::from(named.value()),
        None => own_file(environment, "root.crt"),
    };
    if path.exists() {
        Ok(path)
    } else {
        Err(SettingsError::RootCertificateMissing { path })
    }
}

/// The client's certificate: the named files, or the user's own where they exist.
fn client_certificate(
    parameters: &Parameters,
    environment: &Environment,
) -> Result<Option<ClientCertificate>, SettingsError> {
    let named = parameters.get("sslcert");
    let certificate = match named {
        Some(named) => PathBuf::from(named.value()),
        None => own_file(environment, "postgresql.crt"),
    };
    if named.is_none() && !certificate.exists() {
        return Ok(None);
    }
    let key = match parameters.get("sslkey") {
        // libpq takes `engine:key` for a key in a hardware module.
        Some(named) if named.value().contains(':') && !Path::new(named.value()).exists() => {
            return Err(named.invalid("sslkey", "a file"));
        }
        Some(named) => PathBuf::from(named.value()),
        None => own_file(environment, "postgresql.key"),
    };
    Ok(Some(ClientCertificate { certificate, key }))
}

/// A file in the user's `~/.postgresql`.
fn own_file(environment: &Environment, name: &str) -> PathBuf {
    let home = environment.home.as_deref().unwrap_or(Path::new("/"));
    home.join(".postgresql").join(name)
}
