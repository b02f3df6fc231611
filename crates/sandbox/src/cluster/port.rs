//! A free port.

use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt;

use super::error::ClusterError;

/// Below the ports that systems give to outgoing connections (from 32768 on Linux,
/// 49152 elsewhere): one of those could take ours while the server restarts.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;
const TRIES: usize = 200;

/// A port that nobody listens on now. Somebody may before the server does: the caller
/// must be ready to try another one.
pub fn free() -> Result<u16, ClusterError> {
    let mut random = rand::rng();
    (0..TRIES)
        .map(|_| random.random_range(FIRST..=LAST))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(ClusterError::NoPort {
            first: FIRST,
            last: LAST,
        })
}
