//! Which certificates are trusted under which `sslmode`.

use std::error::Error as _;

use crossfade_postgres::{ConnectError, Connector};
use crossfade_sandbox::cluster::{ClusterOptions, StopMode};
use rcgen::ExtendedKeyUsagePurpose;

use crate::server::{Authority, NAME, Result, Server, text};

/// Whether the connection is encrypted, as the server sees it.
const ENCRYPTED: &str = "select s.ssl::pg_catalog.text from pg_catalog.pg_stat_ssl s \
     where s.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()";

fn assert_refused(error: &ConnectError, reason: &str) {
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    assert!(!error.is_retryable());
    let cause = error.source().and_then(std::error::Error::source);
    let cause = cause.map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains(reason), "{cause}");
}

#[tokio::test]
async fn chain_and_name_are_checked_as_far_as_the_mode_says() -> Result {
    let authority = Authority::new("ours")?;
    let server = Server::start_with_tls(&authority).await?;
    let ours = server.write_own_file("ours.crt", &authority.pem)?;
    let other = server.write_own_file("other.crt", &Authority::new("other")?.pem)?;
    let (ours, other) = (ours.display(), other.display());
    let named = |name: &str| format!("host={name} hostaddr=127.0.0.1");
    let (right, wrong) = (named(NAME), named("other.example.test"));

    for accepted in [
        format!("{right} sslmode=verify-full sslrootcert={ours}"),
        format!("{wrong} sslmode=verify-ca sslrootcert={ours}"),
        format!("{wrong} sslmode=require sslrootcert={ours}"),
        format!("{wrong} sslmode=require"),
        format!("{wrong} sslmode=prefer"),
        String::new(),
        format!("{right} sslmode=verify-full sslrootcert={ours} channel_binding=require"),
    ] {
        let client = server.connect(&accepted).await?;
        assert_eq!(text(&client, ENCRYPTED).await?, "true", "{accepted}");
    }
    for (refused, reason) in [
        (
            format!("{wrong} sslmode=verify-full sslrootcert={ours}"),
            "not valid for name",
        ),
        (
            format!("host=127.0.0.1 sslmode=verify-full sslrootcert={ours}"),
            "not valid for name",
        ),
        (
            format!("{right} sslmode=verify-full sslrootcert={other}"),
            "UnknownIssuer",
        ),
        (
            format!("{right} sslmode=verify-ca sslrootcert={other}"),
            "UnknownIssuer",
        ),
        (
            format!("{right} sslmode=require sslrootcert={other}"),
            "UnknownIssuer",
        ),
        (format!("{right} sslrootcert=system"), "UnknownIssuer"),
    ] {
        assert_refused(&server.refusal(&refused).await?, reason);
    }

    let client = server.connect("sslmode=disable").await?;
    assert_eq!(text(&client, ENCRYPTED).await?, "false");
    // On a socket there is no TLS, whatever the mode says.
    let socket = server.cluster.socket_directory().display();
    let client = server
        .connect(&format!("host={socket} sslmode=require"))
        .await?;
    assert_eq!(text(&client, ENCRYPTED).await?, "false");
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() -> Result {
    let server = Server::start(ClusterOptions::default()).await?;
    assert_refused(
        &server.refusal("sslmode=require").await?,
        "server does not support TLS",
    );
    let client = server.connect("sslmode=prefer").await?;
    assert_eq!(text(&client, ENCRYPTED).await?, "false");
    Ok(())
}

#[tokio::test]
async fn a_statement_is_cancelled_over_tls() -> Result {
    let authority = Authority::new("ours")?;
    let server = Server::start_with_tls(&authority).await?;
    let roots = server.write_own_file("ours.crt", &authority.pem)?;
    let connector = server.connector(&format!(
        "host={NAME} hostaddr=127.0.0.1 sslmode=verify-full sslrootcert={}",
        roots.display()
    ))?;
    let watcher = server.connect("").await?;
    let client = connector.connect("orders/sleeper").await?;
    let token = client.cancel_token();
    let sleeper = tokio::spawn(async move {
        client
            .query_typed("select pg_catalog.pg_sleep(600)", &[])
            .await
    });
    let running = "select pg_catalog.count(*)::pg_catalog.text from pg_catalog.pg_stat_activity a \
         where a.application_name operator(pg_catalog.=) 'crossfade/orders/sleeper' \
         and a.wait_event operator(pg_catalog.=) 'PgSleep'";
    while text(&watcher, running).await? != "1" {
        tokio::task::yield_now().await;
    }
    connector.cancel(&token).await?;
    let error = sleeper.await?.expect_err("the statement is cancelled");
    assert_eq!(
        error.code().map(tokio_postgres::error::SqlState::code),
        Some("57014")
    );
    Ok(())
}

#[tokio::test]
async fn a_client_certificate_proves_a_role() -> Result {
    let authority = Authority::new("ours")?;
    let mut server = Server::start_with_tls(&authority).await?;
    let admin = server.connect("").await?;
    admin.batch_execute("create role certified login").await?;
    drop(admin);
    server.write_server_file("pg_hba.conf", "hostssl all all 127.0.0.1/32 cert\n")?;
    server.cluster.restart(StopMode::Fast).await?;
    let (certificate, key) =
        authority.issue("certified", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
    let certificate = server.write_own_file("own.crt", &certificate)?;
    let key = server.write_own_file("own.key", &key)?;

    let error = server.refusal("user=certified").await?;
    assert!(
        matches!(error, ConnectError::Authentication { .. }),
        "{error:?}"
    );
    let more = format!(
        "user=certified sslcert={} sslkey={}",
        certificate.display(),
        key.display()
    );
    let client = server.connect(&more).await?;
    assert_eq!(
        text(&client, "select current_user::pg_catalog.text").await?,
        "certified"
    );

    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let exposed = Connector::new(server.settings(&server.string(&more))?, None);
    let error = exposed.err().ok_or("a key that others can read was used")?;
    assert!(matches!(error, ConnectError::TlsSetup(_)), "{error:?}");
    Ok(())
}
