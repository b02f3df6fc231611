//! The servers to try: host names, sockets and addresses, each with its port.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::parameter::{Parameter, Parameters};
use super::{Environment, SettingsError};

const DEFAULT_PORT: u16 = 5432;

/// One server of the list, tried in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) place: Place,
    pub(crate) port: u16,
    /// Host as a password file names it.
    pub(crate) passfile_host: String,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The directory of a Unix-domain socket.
    Socket(PathBuf),
    /// A host name, which a certificate is checked against, and its address where no look-up is wanted.
    Host {
        name: String,
        address: Option<IpAddr>,
    },
}

impl Server {
    /// Whether the bytes to this server stay on this machine.
    pub(crate) fn is_local(&self) -> bool {
        match &self.place {
            Place::Socket(_) => true,
            Place::Host {
                address: Some(address),
                ..
            } => address.is_loopback(),
            Place::Host {
                name,
                address: None,
            } => {
                name.eq_ignore_ascii_case("localhost")
                    || name
                        .parse::<IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Socket(directory) => write!(f, "{}:{}", directory.display(), self.port),
            Place::Host { name, .. } if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Place::Host { name, .. } => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Combines `host`, `hostaddr` and `port`, each a list with commas, into servers.
pub(super) fn servers(
    parameters: &Parameters,
    environment: &Environment,
) -> Result<Vec<Server>, SettingsError> {
    let list = |keyword| parameters.get(keyword).map(|found| (items(found), found));
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = addresses
        .as_ref()
        .or(hosts.as_ref())
        .map_or(1, |(items, _)| items.len());
    for (name, given, single_fits_all) in [("host", &hosts, false), ("port", &ports, true)] {
        if let Some((items, parameter)) = given
            && items.len() != count
            && !(single_fits_all && items.len() == 1)
        {
            return Err(SettingsError::HostList {
                name,
                count: items.len(),
                hosts: count,
                origin: parameter.origin.clone(),
            });
        }
    }
    (0..count)
        .map(|at| {
            let port = match &ports {
                Some((items, parameter)) => port(items.get(at).unwrap_or(&items[0]), parameter)?,
                None => DEFAULT_PORT,
            };
            let address = match &addresses {
                Some((items, parameter)) => address(items[at], parameter)?,
                None => None,
            };
            let host = hosts.as_ref().map_or("", |(items, _)| items[at]);
            Ok(server(host, address, port, environment))
        })
        .collect()
}

fn items(parameter: &Parameter) -> Vec<&str> {
    parameter.value().split(',').map(str::trim).collect()
}

fn port(text: &str, parameter: &Parameter) -> Result<u16, SettingsError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    text.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| parameter.invalid("port", "a number from 1 to 65535, or a list of them"))
}

fn address(text: &str, parameter: &Parameter) -> Result<Option<IpAddr>, SettingsError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| parameter.invalid("hostaddr", "an IP address, or a list of them"))
}

fn server(host: &str, address: Option<IpAddr>, port: u16, environment: &Environment) -> Server {
    let place = match (host, address) {
        ("", None) => Place::Socket(default_directory(port, environment)),
        // A certificate for an address can be checked where no name is known.
        ("", Some(address)) => Place::Host {
            name: address.to_string(),
            address: Some(address),
        },
        (host, None) if host.starts_with('/') => Place::Socket(PathBuf::from(host)),
        (host, address) => Place::Host {
            name: host.to_owned(),
            address,
        },
    };
    let passfile_host = match &place {
        Place::Socket(directory) if environment.socket_directories.contains(directory) => {
            "localhost".to_owned()
        }
        Place::Socket(directory) => directory.to_string_lossy().into_owned(),
        Place::Host { name, .. } => name.clone(),
    };
    Server {
        place,
        port,
        passfile_host,
    }
}

/// The directory of the local server's socket. libpq has one compiled in; which one differs between distributions,
/// so the first that has a socket for `port` is taken.
fn default_directory(port: u16, environment: &Environment) -> PathBuf {
    let directories = &environment.socket_directories;
    let has_socket = |directory: &Path| directory.join(format!(".s.PGSQL.{port}")).exists();
    directories
        .iter()
        .find(|directory| has_socket(directory))
        .or(directories.first())
        .cloned()
        .unwrap_or_else(std::env::temp_dir)
}
