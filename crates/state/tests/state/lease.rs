//! One runner for each migration, and what a runner that lost its lease can still do: nothing.

use crossfade_postgres::{ErrorClass, Queries, TransactionSettings};
use crossfade_state::{Acquired, Epoch, Lease, NewEvent, Process, StateError, Store, Watched};
use crossfade_testkit::Result;
use serde_json::json;
use std::time::Duration;

use crate::fixture::{Fixture, LONG, acquire, backend, expire, patient, wait_until_blocks};

fn is_fenced_out<T>(result: &std::result::Result<T, StateError>) -> bool {
    matches!(result, Err(StateError::FencedOut { .. }))
}

async fn can_begin(store: &Store, lease: &Lease) -> Result<bool> {
    match store
        .begin_fenced(lease, "test", &TransactionSettings::default())
        .await
    {
        Ok(transaction) => {
            transaction.commit().await?;
            Ok(true)
        }
        Err(StateError::FencedOut { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn a_lease_is_held_until_it_is_given_back() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    assert_eq!(store.lease_holder(&session, id).await?, None);

    let first = acquire(&store, id, LONG).await?;
    assert_eq!(first.epoch(), Epoch(1));
    assert!(can_begin(&store, &first).await?);
    let asked = store.acquire(id, &Process::current(), LONG).await?;
    let Acquired::HeldBy(holder) = asked else {
        return Err(format!("{asked:?}").into());
    };
    assert_eq!(
        (&holder.owner, holder.epoch),
        (first.owner(), first.epoch())
    );
    assert!(!holder.expired && holder.expires_at > holder.heartbeat_at);

    store.release(&first).await?;
    assert_eq!(store.lease_holder(&session, id).await?, None);
    assert!(!can_begin(&store, &first).await?);
    let second = acquire(&store, id, LONG).await?;
    assert_eq!(second.epoch(), Epoch(2));
    store.release(&first).await?;
    assert!(
        can_begin(&store, &second).await?,
        "only the owner gives it back"
    );
    Ok(())
}

#[tokio::test]
async fn an_expired_lease_is_taken_over_and_one_in_use_is_not() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let first = acquire(&store, id, LONG).await?;
    assert!(acquire(&store, id, LONG).await.is_err());
    expire(&fixture, id).await?;
    assert!(
        !can_begin(&store, &first).await?,
        "an expired lease begins nothing"
    );
    store.heartbeat(&first).await?;
    assert!(
        can_begin(&store, &first).await?,
        "nobody took it: a heartbeat revives it"
    );
    expire(&fixture, id).await?;
    let second = acquire(&store, id, LONG).await?;
    assert!(second.epoch() > first.epoch());
    assert!(is_fenced_out(&store.heartbeat(&first).await));
    assert!(!can_begin(&store, &first).await?);
    assert!(can_begin(&store, &second).await?);
    Ok(())
}

/// The trap: an update of the epoch alone would not wait for the chunk, which then commits under
/// an epoch that is no longer its own.
#[tokio::test]
async fn a_takeover_waits_for_the_open_chunk() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let zombie = acquire(&store, id, LONG).await?;
    let chunk = store.begin_fenced(&zombie, "test", &patient()).await?;
    let event = NewEvent {
        kind: "chunk",
        actor: &fixture.actor,
        data: json!({}),
    };
    store.append_event(&chunk, id, event).await?;
    expire(&fixture, id).await?;

    // What an update of a non-key column locks is free.
    fixture
        .observer
        .run("begin; select from crossfade.lease for no key update nowait; rollback")
        .await?;

    let other = store.clone();
    let takeover = tokio::spawn(async move {
        let taken = other.acquire(id, &Process::current(), LONG).await?;
        let session = other.session("test").await?;
        let events = other.events(&session, id, 0, 100).await?;
        Ok::<_, StateError>((taken, events.iter().any(|event| event.kind == "chunk")))
    });
    wait_until_blocks(&fixture, backend(&chunk).await?).await?;
    assert!(!takeover.is_finished());
    chunk.commit().await?;
    let (taken, chunk_had_committed) = takeover.await??;
    assert!(matches!(&taken, Acquired::Acquired(lease) if lease.epoch() > zombie.epoch()));
    assert!(
        chunk_had_committed,
        "the new runner sees all that the old one did"
    );
    let begun = store.begin_fenced(&zombie, "test", &patient()).await;
    assert!(is_fenced_out(&begun), "{begun:?}");
    Ok(())
}

#[tokio::test]
async fn a_takeover_that_waits_too_long_says_so_and_harms_nobody() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let first = acquire(&store, id, LONG).await?;
    let chunk = store.begin_fenced(&first, "test", &patient()).await?;
    expire(&fixture, id).await?;
    let blocked = store
        .acquire(id, &Process::current(), Duration::from_millis(50))
        .await;
    let Err(error @ StateError::TakeoverBlocked { .. }) = blocked else {
        return Err(format!("{blocked:?}").into());
    };
    assert_eq!(error.class(), ErrorClass::Retry);
    store.heartbeat(&first).await?;
    chunk.commit().await?;
    assert!(can_begin(&store, &first).await?);
    Ok(())
}

/// Expiry is decided when the row is locked: a sign of life during the wait counts.
#[tokio::test]
async fn a_heartbeat_during_the_wait_keeps_the_lease() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let first = acquire(&store, id, LONG).await?;
    let chunk = store.begin_fenced(&first, "test", &patient()).await?;
    expire(&fixture, id).await?;
    let other = store.clone();
    let takeover = tokio::spawn(async move { other.acquire(id, &Process::current(), LONG).await });
    wait_until_blocks(&fixture, backend(&chunk).await?).await?;
    store.heartbeat(&first).await?;
    chunk.commit().await?;
    let asked = takeover.await??;
    assert!(
        matches!(&asked, Acquired::HeldBy(holder) if holder.owner == *first.owner()),
        "{asked:?}"
    );
    assert!(can_begin(&store, &first).await?);
    Ok(())
}

#[tokio::test]
async fn of_two_takeovers_one_wins() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let first = acquire(&store, id, LONG).await?;
    let chunk = store.begin_fenced(&first, "test", &patient()).await?;
    expire(&fixture, id).await?;
    let takeovers = [(); 2].map(|()| {
        let other = store.clone();
        tokio::spawn(async move { other.acquire(id, &Process::current(), LONG).await })
    });
    let both = "select count(*) = 2 from pg_catalog.pg_stat_activity
        where datname = pg_catalog.current_database()
          and pg_catalog.cardinality(pg_catalog.pg_blocking_pids(pid)) > 0";
    fixture.observer.wait_until(both).await?;
    chunk.commit().await?;
    let mut won = Vec::new();
    let mut lost = Vec::new();
    for takeover in takeovers {
        match takeover.await?? {
            Acquired::Acquired(lease) => won.push(lease),
            Acquired::HeldBy(holder) => lost.push(holder),
        }
    }
    let ([won], [lost]) = (won.as_slice(), lost.as_slice()) else {
        return Err(format!("{won:?} {lost:?}").into());
    };
    assert_eq!((won.owner(), won.epoch()), (&lost.owner, lost.epoch));
    assert_eq!(won.epoch(), Epoch(first.epoch().0 + 1));
    Ok(())
}

/// Two of our own transactions: one lost its connection at COMMIT, the other asks what became of
/// it.
#[tokio::test]
async fn reacquiring_waits_for_a_transaction_of_ours_whose_answer_was_lost() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let before = acquire(&store, id, LONG).await?;
    let unknown = store.begin_fenced(&before, "test", &patient()).await?;
    let (other, lease) = (store.clone(), before.clone());
    let reacquired = tokio::spawn(async move { other.reacquire(&lease).await });
    wait_until_blocks(&fixture, backend(&unknown).await?).await?;
    unknown.commit().await?;
    let after = reacquired.await??;
    assert_eq!(after.owner(), before.owner());
    assert!(after.epoch() > before.epoch());
    assert!(
        !can_begin(&store, &before).await?,
        "nothing of before can commit any more"
    );
    assert!(can_begin(&store, &after).await?);

    // Its own answer was lost: the older value still proves the owner.
    let again = store.reacquire(&before).await?;
    assert!(again.epoch() > after.epoch());

    expire(&fixture, id).await?;
    let again = store.reacquire(&again).await?;
    expire(&fixture, id).await?;
    acquire(&store, id, LONG).await?;
    expire(&fixture, id).await?;
    let refused = store.reacquire(&again).await;
    assert!(
        is_fenced_out(&refused),
        "it was somebody else's: {refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_owner_whose_answer_was_lost_asks_again() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let owner = Process::current();
    let first = store.acquire(id, &owner, LONG).await?;
    let second = store.acquire(id, &owner, LONG).await?;
    let (Acquired::Acquired(first), Acquired::Acquired(second)) = (first, second) else {
        return Err("it is the owner's own".into());
    };
    assert!(second.epoch() > first.epoch());
    Ok(())
}

#[tokio::test]
async fn workers_of_one_runner_do_not_wait_for_each_other_or_the_heartbeat() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let lease = acquire(&store, id, LONG).await?;
    let impatient = TransactionSettings {
        lock_timeout: Duration::from_millis(1),
        ..patient()
    };
    let one = store.begin_fenced(&lease, "test", &impatient).await?;
    let beat = store.database().begin("test", &impatient).await?;
    beat.execute(
        "update crossfade.lease set heartbeat_at = heartbeat_at",
        &[],
    )
    .await?;
    let two = store.begin_fenced(&lease, "test", &impatient).await?;
    for transaction in [one, beat, two] {
        transaction.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_watched_lease_is_alive_free_or_given_back() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let ttl = Duration::from_millis(240);
    assert_eq!(store.watch_until_free(id, ttl).await?, Watched::Free);

    let lease = acquire(&store, id, LONG).await?;
    let beats = async {
        loop {
            if let Err(error) = store.heartbeat(&lease).await {
                return error;
            }
        }
    };
    let watched = tokio::select! {
        watched = store.watch_until_free(id, ttl) => watched?,
        error = beats => return Err(error.into()),
    };
    assert!(matches!(&watched, Watched::Held(holder) if holder.owner == *lease.owner()));

    let other = store.clone();
    let watching = tokio::spawn(async move { other.watch_until_free(id, ttl).await });
    expire(&fixture, id).await?;
    assert_eq!(watching.await??, Watched::Free);
    store.heartbeat(&lease).await?;
    let other = store.clone();
    let watching = tokio::spawn(async move { other.watch_until_free(id, ttl).await });
    store.release(&lease).await?;
    assert_eq!(watching.await??, Watched::Free);
    Ok(())
}
