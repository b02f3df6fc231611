//! A throwaway cluster against the installed server: it runs, stops, recovers, is
//! followed by a replica, and leaves nothing behind.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crossfade_sandbox::cluster::{Cluster, ClusterError, ClusterOptions, SUPERUSER, StopMode};
use tokio_postgres::{Client, NoTls};

type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Set for the child process of `own_cluster_and_replica_go_when_their_process_is_killed`.
const CHILD: &str = "CROSSFADE_SANDBOX_TEST_CHILD";

const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(cluster: &Cluster) -> Result<Client, tokio_postgres::Error> {
    let url = cluster.url("postgres", SUPERUSER);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn setting(client: &Client, name: &str) -> Result<String, tokio_postgres::Error> {
    let sql = "select pg_catalog.current_setting($1)";
    Ok(client.query_one(sql, &[&name]).await?.get(0))
}

/// The processes whose command line names `directory`: the server and its guard.
fn processes_of(directory: &Path) -> std::io::Result<Vec<String>> {
    let needle = directory.to_string_lossy().into_owned();
    let listing = Command::new("ps").args(["-e", "-o", "args="]).output()?;
    Ok(String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter(|line| line.contains(&needle))
        .map(str::to_owned)
        .collect())
}

fn wait_until(what: &str, mut holds: impl FnMut() -> std::io::Result<bool>) -> TestResult {
    let begun = Instant::now();
    while !holds()? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("not after {} s: {what}", PATIENCE.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[tokio::test]
async fn own_cluster_answers_with_its_settings_and_leaves_nothing() -> TestResult {
    let options = ClusterOptions::default()
        .max_connections(17)
        .setting("work_mem", "5MB");
    let cluster = Cluster::start(&options).await?;
    let directory = cluster.socket_directory().to_owned();
    let client = connect(&cluster).await?;
    for (name, value) in [
        ("max_connections", "17"),
        ("work_mem", "5MB"),
        ("fsync", "off"),
        ("data_checksums", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("server_encoding", "UTF8"),
        ("password_encryption", "scram-sha-256"),
    ] {
        assert_eq!(setting(&client, name).await?, value, "{name}");
    }
    assert_eq!(processes_of(&directory)?.len(), 2, "a server and a guard");

    drop(cluster);
    assert!(!directory.exists());
    assert_eq!(processes_of(&directory)?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn own_cluster_refuses_a_wrong_password() -> TestResult {
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let socket = cluster.socket_directory().to_string_lossy().into_owned();
    for host in ["127.0.0.1", socket.as_str()] {
        let text = format!(
            "host={host} port={} user={SUPERUSER} password=wrong",
            cluster.port()
        );
        let error = tokio_postgres::connect(&text, NoTls)
            .await
            .err()
            .ok_or("a wrong password was accepted")?;
        let code = error.code().ok_or("no SQLSTATE")?;
        assert_eq!(code.code(), "28P01", "{host}");
    }
    Ok(())
}

#[tokio::test]
async fn own_cluster_recovers_after_an_immediate_stop() -> TestResult {
    let mut cluster = Cluster::start(&ClusterOptions::default().durable()).await?;
    let client = connect(&cluster).await?;
    assert_eq!(setting(&client, "fsync").await?, "on");
    client
        .batch_execute("create table public.kept (id int); insert into public.kept values (7)")
        .await?;
    let url = cluster.url("postgres", SUPERUSER);
    let first = cluster.process_id();

    cluster.restart(StopMode::Immediate).await?;
    assert_ne!(cluster.process_id(), first);
    assert_eq!(cluster.url("postgres", SUPERUSER), url);
    let log = fs::read_to_string(cluster.data_directory().with_extension("log"))?;
    assert!(log.contains("was not properly shut down"), "{log}");
    let client = connect(&cluster).await?;
    let row = client.query_one("select id from public.kept", &[]).await?;
    assert_eq!(row.get::<_, i32>(0), 7);

    cluster.stop(StopMode::Fast).await?;
    assert_eq!(cluster.process_id(), None);
    assert!(connect(&cluster).await.is_err());
    cluster.stop(StopMode::Fast).await?;
    cluster.restart(StopMode::Fast).await?;
    connect(&cluster).await?;
    Ok(())
}

#[tokio::test]
async fn own_cluster_shows_the_log_when_it_cannot_start() -> TestResult {
    let options = ClusterOptions::default().setting("shared_buffers", "many");
    let Err(ClusterError::Start { log, .. }) = Cluster::start(&options).await else {
        return Err("it should not start".into());
    };
    assert!(log.contains("shared_buffers"), "{log}");
    Ok(())
}

#[tokio::test]
async fn own_cluster_is_followed_by_a_replica() -> TestResult {
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let wrong = cluster.replica("Not/A name").await;
    assert!(
        matches!(wrong, Err(ClusterError::ReplicaName(_))),
        "{wrong:?}"
    );

    let replica = cluster.replica("follower").await?;
    let directory = cluster.socket_directory().to_owned();
    let primary = connect(&cluster).await?;
    let reader = connect(&replica).await?;
    primary
        .batch_execute("create table public.sent (id int); insert into public.sent values (7)")
        .await?;
    let name: String = primary
        .query_one(
            "select application_name from pg_catalog.pg_stat_replication",
            &[],
        )
        .await?
        .get(0);
    assert_eq!(name, "follower");

    let begun = Instant::now();
    let id: i32 = loop {
        match reader.query_one("select id from public.sent", &[]).await {
            Ok(row) => break row.get(0),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert_eq!(id, 7);
    let refused = reader
        .batch_execute("insert into public.sent values (8)")
        .await;
    let code = refused.err().and_then(|error| error.code().cloned());
    assert_eq!(code.ok_or("no SQLSTATE")?.code(), "25006");

    // The files stay for as long as either of them runs.
    drop(cluster);
    connect(&replica).await?;
    drop(replica);
    assert!(!directory.exists());
    assert_eq!(processes_of(&directory)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn own_cluster_and_replica_ignore_our_environment() -> TestResult {
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "own_cluster_is_followed_by_a_replica"])
        .env("PGSSLMODE", "require")
        .env("PGSERVICE", "missing")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    Ok(())
}

#[tokio::test]
async fn own_cluster_goes_when_its_test_panics() -> TestResult {
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let directory = cluster.socket_directory().to_owned();
    let outcome = std::thread::spawn(move || {
        let _kept_until_the_panic = cluster;
        panic!("on purpose");
    })
    .join();
    assert!(outcome.is_err());
    assert!(!directory.exists());
    assert_eq!(processes_of(&directory)?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn own_cluster_and_replica_go_when_their_process_is_killed() -> TestResult {
    if let Some(report) = std::env::var_os(CHILD) {
        let cluster = Cluster::start(&ClusterOptions::default()).await?;
        let _replica = cluster.replica("follower").await?;
        let report = PathBuf::from(report);
        let written = report.with_extension("part");
        fs::write(
            &written,
            cluster.socket_directory().as_os_str().as_encoded_bytes(),
        )?;
        fs::rename(&written, &report)?;
        return std::future::pending().await;
    }
    let scratch = tempfile::tempdir()?;
    let report = scratch.path().join("directory");
    let mut child = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "own_cluster_and_replica_go_when_their_process_is_killed",
        ])
        .env(CHILD, &report)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let started = wait_until("the child has a cluster", || Ok(report.exists()));
    let directory = fs::read_to_string(&report).map(PathBuf::from);
    let running = directory.as_ref().map(|directory| processes_of(directory));
    child.kill()?;
    child.wait()?;
    started?;

    let mut running = running.expect("the child has written its report")?;
    // A child that was just forked is called like its server until it gives itself a name.
    running.sort();
    running.dedup();
    let directory = directory?;
    assert_eq!(running.len(), 3, "two servers and a guard: {running:?}");
    wait_until("its processes and files are gone", || {
        Ok(!directory.exists() && processes_of(&directory)?.is_empty())
    })
}

#[test]
fn a_bin_directory_without_a_server_is_named() -> TestResult {
    let empty = tempfile::tempdir()?;
    let output = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "own_cluster_answers_with_its_settings_and_leaves_nothing",
        ])
        .env("CROSSFADE_PG_BIN", empty.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("NotABinDirectory"), "{text}");
    Ok(())
}

#[tokio::test]
async fn own_cluster_that_is_kept_runs_on_until_it_is_stopped_by_hand() -> TestResult {
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let directory = cluster.socket_directory().to_owned();
    let process = cluster.process_id().ok_or("it runs")?;
    let url = cluster.url("postgres", SUPERUSER);
    cluster.keep();
    assert_eq!(processes_of(&directory)?.len(), 1, "the guard is gone");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    assert_eq!(setting(&client, "fsync").await?, "off");

    let stopped = Command::new("kill")
        .args(["-QUIT", &process.to_string()])
        .status()?;
    assert!(stopped.success());
    wait_until("the server is gone", || {
        Ok(processes_of(&directory)?.is_empty())
    })?;
    fs::remove_dir_all(&directory)?;
    Ok(())
}
