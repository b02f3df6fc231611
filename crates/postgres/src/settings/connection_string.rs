//! Reading a connection string, a URL or `keyword=value` pairs, into parameters.
//!
//! tokio-postgres refuses parameters that it does not know (`sslrootcert`, `service`, `sslmode=verify-full`), so
//! it is given the part of a URL before the query, and the parameters are read here.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::{Origin, SettingsError};

/// A keyword and its value.
type Pair = (String, SecretString);

/// The parameters in `text`, in their order.
pub(super) fn parse(text: &SecretString, origin: &Origin) -> Result<Vec<Pair>, SettingsError> {
    let text = text.expose_secret().trim();
    for scheme in ["postgresql://", "postgres://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return parse_url(rest, origin);
        }
    }
    parse_pairs(text).map_err(|reason| SettingsError::Malformed {
        reason,
        origin: origin.clone(),
    })
}

/// Reads a URL without its scheme.
fn parse_url(rest: &str, origin: &Origin) -> Result<Vec<Pair>, SettingsError> {
    // As in libpq an `@` ends the credentials only before the first slash; credentials may hold a `?`.
    let path_start = rest.find('/').unwrap_or(rest.len());
    let hosts_start = rest[..path_start].find('@').map_or(0, |at| at + 1);
    let query_start = rest[hosts_start..]
        .find('?')
        .map_or(rest.len(), |at| hosts_start + at);
    let (credentials, located) = rest[..query_start].split_at(hosts_start);
    let hosts = located.split('/').next().unwrap_or_default();

    // tokio-postgres takes everything before any `@` for credentials.
    let base = format!("postgresql://{credentials}{}", located.replace('@', "%40"));
    let config: Config = base.parse().map_err(|source| SettingsError::Url {
        origin: origin.clone(),
        source,
    })?;

    let mut pairs = Vec::new();
    let mut push = |keyword: &str, value: String| pairs.push((keyword.to_owned(), value.into()));
    // An empty user (`postgresql://@host`) is none, so the environment's is not hidden.
    if let Some(user) = config.get_user().filter(|user| !user.is_empty()) {
        push("user", user.to_owned());
    }
    if let Some(password) = config.get_password() {
        let password = str::from_utf8(password).map_err(|_| SettingsError::InvalidValue {
            name: "password",
            expected: "UTF-8",
            origin: origin.clone(),
        })?;
        push("password", password.to_owned());
    }
    if let Some(dbname) = config.get_dbname() {
        push("dbname", dbname.to_owned());
    }
    let names: Vec<String> = config.get_hosts().iter().map(host_text).collect();
    if names.iter().any(|name| !name.is_empty()) {
        push("host", names.join(","));
    }
    // tokio-postgres fills in 5432 where no port stands; it must not hide a port from a weaker source.
    if hosts.split(',').any(has_port) {
        let ports: Vec<String> = config.get_ports().iter().map(u16::to_string).collect();
        push("port", ports.join(","));
    }
    if let Some(query) = rest[query_start..].strip_prefix('?') {
        pairs.extend(parse_query(query, origin)?);
    }
    Ok(pairs)
}

/// Whether a `host:port` chunk of a URL holds a port; the colons of an IPv6 address stand in brackets.
fn has_port(chunk: &str) -> bool {
    chunk
        .rsplit(']')
        .next()
        .is_some_and(|tail| tail.contains(':'))
}

/// A host as the `host` parameter spells it.
fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.to_string_lossy().into_owned(),
    }
}

/// Reads `keyword=value&keyword=value`. Unlike a web form's, a `+` in it is a plus sign.
fn parse_query(query: &str, origin: &Origin) -> Result<Vec<Pair>, SettingsError> {
    let malformed = |reason| SettingsError::Malformed {
        reason,
        origin: origin.clone(),
    };
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| malformed("a parameter of the URL is not UTF-8"))
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (keyword, value) = pair
                .split_once('=')
                .ok_or_else(|| malformed("a parameter of the URL has no `=`"))?;
            let (keyword, value) = (decode(keyword)?, decode(value)?);
            // libpq's alias for drivers' URLs.
            if keyword == "ssl" && value == "true" {
                return Ok(("sslmode".to_owned(), "require".into()));
            }
            Ok((keyword, value.into()))
        })
        .collect()
}

/// Reads `keyword = value` pairs as libpq's `conninfo_parse` does: quotes hold spaces, a backslash takes the next
/// character as it is.
fn parse_pairs(text: &str) -> Result<Vec<Pair>, &'static str> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (keyword, after) = rest
            .split_once('=')
            .ok_or("neither a postgresql:// URL nor keyword=value pairs")?;
        let keyword = keyword.trim_end();
        if keyword.is_empty() || keyword.contains(char::is_whitespace) {
            return Err("a keyword without `=`");
        }
        let (value, after) = take_value(after.trim_start())?;
        pairs.push((keyword.to_owned(), value.into()));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// Takes one value off the front of `text`; gives it and what follows.
fn take_value(text: &str) -> Result<(String, &str), &'static str> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, &body[at + 1..])),
            c if c.is_whitespace() && quoted.is_none() => return Ok((value, &body[at..])),
            c => value.push(c),
        }
    }
    if quoted.is_some() {
        return Err("a quoted value does not end");
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ORIGIN: Origin = Origin::ConnectionString("--database-url");

    fn shown(text: &str) -> Result<String, SettingsError> {
        let pairs = parse(&text.into(), &ORIGIN)?;
        let shown: Vec<_> = pairs
            .iter()
            .map(|(keyword, value)| format!("{keyword}={}", value.expose_secret()))
            .collect();
        Ok(shown.join(" "))
    }

    #[rstest]
    #[case("postgresql://", "")]
    #[case("postgres:///shop", "dbname=shop")]
    #[case(
        "postgresql://app:s%40c%2Bret+@db/shop",
        "user=app password=s@c+ret+ dbname=shop host=db"
    )]
    #[case("postgresql://app:w?y@db", "user=app password=w?y host=db")]
    #[case("postgresql://@db", "host=db")]
    #[case("postgresql://a:1,b/shop", "dbname=shop host=a,b port=1,5432")]
    #[case("postgresql://[::1]/shop", "dbname=shop host=::1")]
    #[case("postgresql://[::1]:7/shop", "dbname=shop host=::1 port=7")]
    #[case("postgresql://%2Frun%2Fpg/shop", "dbname=shop host=/run/pg")]
    #[case("postgresql://:7/shop", "dbname=shop port=7")]
    #[case("postgresql://db/sh@p?user=a@b", "dbname=sh@p host=db user=a@b")]
    #[case(
        "postgresql://db?sslmode=verify-full&sslrootcert=%2Fca+1.crt",
        "host=db sslmode=verify-full sslrootcert=/ca+1.crt"
    )]
    #[case("postgresql://db?ssl=true", "host=db sslmode=require")]
    #[case("host=db dbname = shop", "host=db dbname=shop")]
    #[case(r"password='it\'s a \\' user=a\ b", r"password=it's a \ user=a b")]
    #[case("host= port=''", "host=port=''")]
    #[case("host='' user=x", "host= user=x")]
    fn strings_are_read_as_libpq_reads_them(
        #[case] text: &str,
        #[case] expected: &str,
    ) -> Result<(), SettingsError> {
        assert_eq!(shown(text)?, expected);
        Ok(())
    }

    #[rstest]
    #[case("hunter2")]
    #[case("password=hunter2 hunter2")]
    #[case("password='hunter2")]
    #[case("postgresql://app:hunter2@db:hunter2/shop")]
    #[case("postgresql://db?hunter2")]
    #[case("postgresql://db?password=hunter2%ff")]
    #[case("postgresql://app:hunter2%ff@db")]
    fn a_malformed_string_is_refused_without_repeating_it(#[case] text: &str) {
        let error = shown(text).expect_err("the string is malformed");
        let mut shown = format!("{error} {error:?}");
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(error) = cause {
            shown.push_str(&error.to_string());
            cause = error.source();
        }
        assert!(shown.contains("--database-url"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
