//! Replicas that lag, stop, vanish, or may not be seen.

use crossfade_sandbox::cluster::{Cluster, ClusterOptions, StopMode};
use crossfade_testkit::{Result, Session};
use crossfade_throttle::{Reason, Verdict};
use serde_json::json;

use crate::fixture::{Fixture, wait_for, wait_for_go};

/// A limit that a busy test machine keeps, and a stopped replay does not.
const PLAN: &str = "throttle: { max_replica_lag: 2s }";

/// Enough WAL that no replica counts as caught up without it.
const WRITE: &str = "create table public.bulk as select g, repeat('x', 500) as filler \
                     from generate_series(1, 4000) g; drop table public.bulk";

async fn superuser(cluster: &Cluster) -> Result<Session> {
    Session::connect(&cluster.url("postgres", "postgres"), "replica").await
}

#[tokio::test]
async fn own_cluster_replica_that_stops_replaying_holds_work_up_until_it_has_caught_up()
-> Result<()> {
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let replica = cluster.replica("follower").await?;
    let fixture = Fixture::new_in(&cluster, PLAN).await?;
    let throttle = fixture.throttle().await;
    wait_for_go(&throttle).await?;

    let follower = superuser(&replica).await?;
    follower.run("select pg_wal_replay_pause()").await?;
    follower
        .wait_until("select pg_get_wal_replay_pause_state() = 'paused'")
        .await?;
    fixture.observer.run(WRITE).await?;
    let wait = wait_for(&throttle, Reason::ReplicaLag).await?;
    assert_eq!(wait.text, "lag of replica follower");
    assert_eq!(wait.metric, Some("max_replica_lag"));
    assert_eq!(wait.threshold.as_deref(), Some("2s"));
    assert!(wait.value.is_some());

    follower.run("select pg_wal_replay_resume()").await?;
    wait_for_go(&throttle).await
}

#[tokio::test]
async fn own_cluster_replica_that_vanishes_is_unknown_until_it_is_back_or_forgotten() -> Result<()>
{
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let mut replica = cluster.replica("follower").await?;
    let fixture = Fixture::new_in(&cluster, PLAN).await?;
    let throttle = fixture.throttle().await;
    wait_for_go(&throttle).await?;

    replica.stop(StopMode::Fast).await?;
    let wait = wait_for(&throttle, Reason::SignalMissing).await?;
    assert!(
        wait.text.contains("replica follower is gone"),
        "{}",
        wait.text
    );
    assert_eq!((wait.metric, wait.value), (Some("max_replica_lag"), None));
    replica.restart(StopMode::Fast).await?;
    wait_for_go(&throttle).await?;

    replica.stop(StopMode::Immediate).await?;
    wait_for(&throttle, Reason::SignalMissing).await?;
    let (id, actor) = (fixture.id, &fixture.actor);
    fixture
        .store
        .set(id, actor, "max_replica_lag", Some(&json!("3s")))
        .await?;
    wait_for_go(&throttle).await
}

#[tokio::test]
async fn own_cluster_replica_that_the_role_may_not_see_is_unknown_and_the_remedy_works()
-> Result<()> {
    let cluster = Cluster::start(&ClusterOptions::default()).await?;
    let _replica = cluster.replica("follower").await?;
    let fixture = Fixture::new_in(&cluster, PLAN).await?;
    let role = fixture.database.migrator();
    fixture
        .observer
        .run(&format!("revoke pg_read_all_stats from {role}"))
        .await?;
    let throttle = fixture.throttle().await;
    let Verdict::Wait(wait) = throttle.verdict() else {
        return Err("it goes".into());
    };
    assert_eq!(wait.reason, Reason::SignalMissing);
    for part in [role, "pg_read_all_stats", "crossfade grants"] {
        assert!(wait.text.contains(part), "{}", wait.text);
    }
    fixture
        .observer
        .run(&format!("grant pg_read_all_stats to {role}"))
        .await?;
    wait_for_go(&throttle).await
}

#[tokio::test]
async fn own_cluster_replica_lag_is_not_asked_for_without_a_limit() -> Result<()> {
    let options = ClusterOptions::default().setting("log_statement", "all");
    let cluster = Cluster::start(&options).await?;
    let fixture = Fixture::new_in(&cluster, "throttle: { max_replica_lag: off }").await?;
    let asked = || {
        let log = cluster.data_directory().with_extension("log");
        std::fs::read_to_string(log).map(|log| log.contains("pg_stat_replication"))
    };
    let throttle = fixture.throttle().await;
    assert_eq!(throttle.verdict(), Verdict::Go);
    // The collectors have looked again by the time that a pause is seen.
    fixture.store.pause(fixture.id, &fixture.actor).await?;
    wait_for(&throttle, Reason::Paused).await?;
    assert!(!asked()?);

    let (id, actor) = (fixture.id, &fixture.actor);
    fixture
        .store
        .set(id, actor, "max_replica_lag", Some(&json!("2s")))
        .await?;
    crate::fixture::until("a look", || asked().is_ok_and(|asked| asked)).await
}

/// Whoever only receives WAL has no lag, and a subscriber confirms when it likes.
#[tokio::test]
async fn own_cluster_without_replica_but_with_other_walsenders_goes() -> Result<()> {
    let options = ClusterOptions::default().setting("wal_level", "logical");
    let cluster = Cluster::start(&options).await?;
    let fixture = Fixture::new_in(&cluster, "throttle: { max_replica_lag: 50ms }").await?;
    let publisher = &fixture.observer;
    let url = cluster.url(fixture.database.name(), "postgres");
    let directory = tempfile::tempdir()?;
    let archive = directory.path().to_string_lossy();
    let _receiver = Running::start("pg_receivewal", &["-D", &archive, "-d", &url])?;
    // A subscriber that can't go on, for its table is locked.
    let subscriber = superuser(&cluster).await?;
    let table = "create table public.shared (id int primary key)";
    publisher.run(table).await?;
    publisher
        .run("create publication orders for table public.shared")
        .await?;
    publisher
        .run("select pg_create_logical_replication_slot('subscriber', 'pgoutput')")
        .await?;
    subscriber.run(table).await?;
    let subscription = format!(
        "create subscription orders connection '{url}' publication orders \
         with (create_slot = false, slot_name = 'subscriber', copy_data = false)"
    );
    subscriber.run(&subscription).await?;
    subscriber.run("begin; lock table public.shared").await?;
    let heard = "select count(*) = 2 and count(replay_lsn) = 1 from pg_stat_replication \
                 where state = 'streaming' and write_lsn is not null";
    publisher.wait_until(heard).await?;

    publisher
        .run("insert into public.shared values (1)")
        .await?;
    publisher.run(WRITE).await?;
    let throttle = fixture.throttle().await;
    wait_for_go(&throttle).await?;
    // Still so after more looks: there are some before a pause is seen.
    fixture.store.pause(fixture.id, &fixture.actor).await?;
    wait_for(&throttle, Reason::Paused).await?;
    fixture.store.resume(fixture.id, &fixture.actor).await?;
    wait_for_go(&throttle).await?;
    subscriber.run("rollback").await?;
    Ok(())
}

/// A client program, ended with the test.
struct Running(std::process::Child);

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let directory = std::env::var("CROSSFADE_PG_BIN")
            .map_or_else(|_| String::new(), |directory| format!("{directory}/"));
        let path = format!("{directory}{program}");
        Ok(Self(
            std::process::Command::new(path).args(arguments).spawn()?,
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            tracing::debug!(%error, "a client program had ended");
        }
    }
}
