//! The parameters that go to tokio-postgres as they are: TCP, session attributes, channel binding.

use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslNegotiation, TargetSessionAttrs};

use super::parameter::{Parameter, Parameters};
use super::{SettingsError, TlsSettings};

/// A peer that vanished is noticed within about a minute: a chunk that waits for a dead server holds up its worker.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: u32 = 3;
const TCP_USER_TIMEOUT: Duration = Duration::from_mins(1);

/// The part of tokio-postgres' configuration that no server changes.
pub(super) fn base(
    parameters: &Parameters,
    user: &str,
    database: &str,
    tls: &TlsSettings,
) -> Result<Config, SettingsError> {
    let mut base = Config::new();
    base.user(user)
        .dbname(database)
        .ssl_mode(tls.mode)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_COUNT)
        .tcp_user_timeout(TCP_USER_TIMEOUT);
    // Never of our own accord: PgBouncer refuses a connection that sends `options`.
    if let Some(options) = parameters.get("options") {
        base.options(options.value());
    }
    if let Some(parameter) = parameters.get("keepalives") {
        let number: u64 = number(parameter, "keepalives", "0 or 1")?;
        base.keepalives(number != 0);
    }
    if let Some(idle) = seconds(parameters, "keepalives_idle")?.and_then(limit) {
        base.keepalives_idle(idle);
    }
    if let Some(interval) = seconds(parameters, "keepalives_interval")?.and_then(limit) {
        base.keepalives_interval(interval);
    }
    if let Some(parameter) = parameters.get("keepalives_count") {
        base.keepalives_retries(number(parameter, "keepalives_count", "a whole number")?);
    }
    if let Some(parameter) = parameters.get("tcp_user_timeout") {
        let milliseconds = number(parameter, "tcp_user_timeout", "a number of milliseconds")?;
        base.tcp_user_timeout(Duration::from_millis(milliseconds));
    }
    // A migration writes, so `primary` is answered with the stricter read-write; a standby is of no use to it.
    let attributes = choose(
        parameters,
        "target_session_attrs",
        "any, read-write, read-only or primary",
        &[
            ("any", TargetSessionAttrs::Any),
            ("read-write", TargetSessionAttrs::ReadWrite),
            ("read-only", TargetSessionAttrs::ReadOnly),
            ("primary", TargetSessionAttrs::ReadWrite),
        ],
    )?;
    base.target_session_attrs(attributes.unwrap_or(TargetSessionAttrs::Any));
    let binding = choose(
        parameters,
        "channel_binding",
        "disable, prefer or require",
        &[
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ],
    )?;
    base.channel_binding(binding.unwrap_or(ChannelBinding::Prefer));
    let negotiation = choose(
        parameters,
        "sslnegotiation",
        "postgres or direct",
        &[
            ("postgres", SslNegotiation::Postgres),
            ("direct", SslNegotiation::Direct),
        ],
    )?;
    base.ssl_negotiation(negotiation.unwrap_or(SslNegotiation::Postgres));
    Ok(base)
}

/// The meaning of a parameter that has a fixed set of values.
pub(super) fn choose<T: Copy>(
    parameters: &Parameters,
    keyword: &'static str,
    expected: &'static str,
    values: &[(&str, T)],
) -> Result<Option<T>, SettingsError> {
    let Some(parameter) = parameters.get(keyword) else {
        return Ok(None);
    };
    values
        .iter()
        .find(|(text, _)| *text == parameter.value())
        .map(|(_, value)| Some(*value))
        .ok_or_else(|| parameter.invalid(keyword, expected))
}

/// A number of seconds; negative ones are 0, as in libpq.
pub(super) fn seconds(
    parameters: &Parameters,
    keyword: &'static str,
) -> Result<Option<Duration>, SettingsError> {
    let Some(parameter) = parameters.get(keyword) else {
        return Ok(None);
    };
    let seconds: i32 = number(parameter, keyword, "a whole number of seconds")?;
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Ok(Some(Duration::from_secs(seconds)))
}

/// In libpq, 0 seconds means no limit, or the system's default.
pub(super) fn limit(duration: Duration) -> Option<Duration> {
    (!duration.is_zero()).then_some(duration)
}

fn number<T: FromStr>(
    parameter: &Parameter,
    keyword: &'static str,
    expected: &'static str,
) -> Result<T, SettingsError> {
    parameter
        .value()
        .trim()
        .parse()
        .map_err(|_| parameter.invalid(keyword, expected))
}
