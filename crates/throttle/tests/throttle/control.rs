//! Live control, and what is told and counted.

use std::num::NonZeroU32;
use std::time::Duration;

use crossfade_plan::event::{Event, Wait};
use crossfade_testkit::Result;
use crossfade_throttle::{Admission, ChunkSize, Reason, Settings, Verdict, live_setting};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, reasons, until, wait_for, wait_for_go};

/// The shared server may have walsenders of other tests.
const NO_LAG: &str = "throttle: { max_replica_lag: off }";

#[tokio::test]
async fn a_pause_holds_workers_until_it_is_taken_back() -> Result<()> {
    let fixture = Fixture::new(NO_LAG).await?;
    let (store, id, actor) = (&fixture.store, fixture.id, &fixture.actor);
    let throttle = fixture.throttle().await;
    let stop = CancellationToken::new();
    assert_eq!(throttle.admit(&stop).await, Admission::Go);
    assert!(fixture.told().is_empty() && throttle.waited().is_empty());

    store.pause(id, actor).await?;
    wait_for(&throttle, Reason::Paused).await?;
    let workers = [1, 2].map(|_| {
        let (throttle, stop) = (throttle.clone(), stop.clone());
        tokio::spawn(async move { throttle.admit(&stop).await })
    });
    until("a wait is told", || !fixture.told().is_empty()).await?;
    assert!(workers.iter().all(|worker| !worker.is_finished()));
    store.resume(id, actor).await?;
    for worker in workers {
        assert_eq!(worker.await?, Admission::Go);
    }
    let paused = Wait {
        reason: "paused".to_owned(),
        metric: None,
        value: None,
        threshold: None,
    };
    assert_eq!(fixture.told(), [Event::Waiting(paused), Event::Resumed]);
    assert_eq!(reasons(&throttle.waited()), [Reason::Paused]);
    Ok(())
}

#[tokio::test]
async fn who_waits_is_stopped_and_a_pause_before_the_start_holds() -> Result<()> {
    let fixture = Fixture::new(NO_LAG).await?;
    fixture.store.pause(fixture.id, &fixture.actor).await?;
    let throttle = fixture.throttle().await;
    let stop = CancellationToken::new();
    let worker = {
        let (throttle, stop) = (throttle.clone(), stop.clone());
        tokio::spawn(async move { throttle.admit(&stop).await })
    };
    until("a wait is told", || !fixture.told().is_empty()).await?;
    stop.cancel();
    assert_eq!(worker.await?, Admission::Stopped);
    assert!(!fixture.told().contains(&Event::Resumed));
    Ok(())
}

#[tokio::test]
async fn what_is_set_is_followed_and_given_back() -> Result<()> {
    let fixture = Fixture::new(&format!("{NO_LAG}\nbackfill: {{ batch_size: 900 }}")).await?;
    let (store, id, actor) = (&fixture.store, fixture.id, &fixture.actor);
    let throttle = fixture.throttle().await;
    let planned = throttle.settings();
    assert_eq!(planned.batch_size, 900);
    for (key, value) in [
        ("chunk_target", "20ms"),
        ("rows_per_second", "300"),
        ("nice_ratio", "1.5"),
    ] {
        store
            .set(id, actor, key, Some(&live_setting(key, value)?))
            .await?;
    }
    // Somebody else's.
    store.set(id, actor, "workers", Some(&json!(3))).await?;
    let expected = Settings {
        chunk_target: Duration::from_millis(20),
        rows_per_second: NonZeroU32::new(300),
        nice_ratio: 1.5,
        ..planned.clone()
    };
    until("settings", || throttle.settings() == expected).await?;
    let mut size = ChunkSize::new(planned.chunk_target, planned.batch_size, 1.0);
    for _ in 0..50 {
        size.record(
            size.blocks(),
            u64::from(size.blocks()),
            Duration::from_micros(1),
        );
    }
    assert_eq!(size.blocks(), 900);
    throttle.adjust(&mut size);
    assert_eq!(size.blocks(), 300);

    for key in ["chunk_target", "rows_per_second", "nice_ratio"] {
        store.set(id, actor, key, None).await?;
    }
    until("the settings of the plan", || {
        throttle.settings() == planned
    })
    .await
}

#[tokio::test]
async fn a_setting_that_no_program_of_ours_would_store_stops_the_work() -> Result<()> {
    let fixture = Fixture::new(NO_LAG).await?;
    let (store, id, actor) = (&fixture.store, fixture.id, &fixture.actor);
    let throttle = fixture.throttle().await;
    store
        .set(id, actor, "nice_ratio", Some(&json!("gently")))
        .await?;
    let wait = wait_for(&throttle, Reason::SignalMissing).await?;
    assert!(wait.text.contains("nice_ratio"), "{}", wait.text);
    store.set(id, actor, "nice_ratio", None).await?;
    wait_for_go(&throttle).await
}

#[tokio::test]
async fn a_pause_after_a_chunk_ends_when_its_settings_do_or_the_work() -> Result<()> {
    let fixture = Fixture::new(&format!("{NO_LAG}\nbackfill: {{ batch_delay: 1h }}")).await?;
    let (store, id, actor) = (&fixture.store, fixture.id, &fixture.actor);
    let throttle = fixture.throttle().await;
    let stop = CancellationToken::new();
    let pay = |rows| {
        let (throttle, stop) = (throttle.clone(), stop.clone());
        tokio::spawn(async move { throttle.paid(rows, Duration::from_millis(50), &stop).await })
    };
    let resting = pay(1);
    store
        .set(id, actor, "rows_per_second", Some(&json!(1)))
        .await?;
    until("the rate", || throttle.settings().rows_per_second.is_some()).await?;
    assert!(!resting.is_finished());
    store
        .set(id, actor, "batch_delay", Some(&json!("0s")))
        .await?;
    resting.await?;

    // At one row a second this is paid in 11 days.
    let paying = pay(1_000_000);
    store.set(id, actor, "batch_size", Some(&json!(5))).await?;
    until("another setting", || throttle.settings().batch_size == 5).await?;
    assert!(!paying.is_finished());
    store.set(id, actor, "rows_per_second", None).await?;
    paying.await?;

    store
        .set(id, actor, "batch_delay", Some(&json!("1h")))
        .await?;
    until("the delay", || !throttle.settings().batch_delay.is_zero()).await?;
    let resting = pay(1);
    stop.cancel();
    resting.await?;
    Ok(())
}

#[tokio::test]
async fn without_the_control_row_nothing_goes() -> Result<()> {
    let fixture = Fixture::new(NO_LAG).await?;
    let role = fixture.database.migrator();
    fixture
        .observer
        .run("alter table crossfade.control rename to elsewhere")
        .await?;
    let throttle = fixture.throttle().await;
    let Verdict::Wait(wait) = throttle.verdict() else {
        return Err(format!("{role} goes").into());
    };
    assert_eq!(
        (wait.reason, wait.metric),
        (Reason::SignalMissing, Some("control"))
    );
    fixture
        .observer
        .run("alter table crossfade.elsewhere rename to control")
        .await?;
    wait_for_go(&throttle).await
}

#[tokio::test]
async fn collectors_end_with_the_last_handle_or_the_token() -> Result<()> {
    let fixture = Fixture::new(NO_LAG).await?;
    let stop = CancellationToken::new();
    let before = tasks();
    let throttle = fixture.throttle_until(&stop).await;
    let other = throttle.clone();
    assert!(tasks() >= before + 2);
    drop(throttle);
    // Still at work.
    fixture.store.pause(fixture.id, &fixture.actor).await?;
    wait_for(&other, Reason::Paused).await?;
    drop(other);
    until("no collector", || tasks() <= before).await?;

    let throttle = fixture.throttle_until(&stop).await;
    stop.cancel();
    until("no collector", || tasks() <= before).await?;
    // What was known last is still known.
    wait_for(&throttle, Reason::Paused).await?;
    Ok(())
}

/// Tasks of this test's runtime.
fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}
