//! What was told about waiting, and how long each reason has held work up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfade_plan::event::{Event, EventSink};
use tokio::time::Instant;

use crate::verdict::{Reason, Wait};

/// Shared by the workers, who all wait for the same reason: it is told once, and time counts once
/// however many of them wait.
#[derive(Debug)]
pub(crate) struct Ledger {
    events: EventSink,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    /// The wait that was told last, if work has not been told to go on since.
    told: Option<Wait>,
    /// The reason that holds work up now, and since when.
    open: Option<(Reason, Instant)>,
    waiters: usize,
    totals: BTreeMap<Reason, Duration>,
}

impl Accounts {
    fn close(&mut self, now: Instant) {
        if let Some((reason, since)) = self.open.take() {
            *self.totals.entry(reason).or_default() += now.saturating_duration_since(since);
        }
    }
}

/// One worker that waits. Dropped, it waits no longer, for whatever reason.
#[derive(Debug)]
pub(crate) struct Waiter<'a>(&'a Ledger);

impl Ledger {
    pub(crate) fn new(events: EventSink) -> Self {
        Self {
            events,
            accounts: Mutex::default(),
        }
    }

    /// Counts a worker that begins to wait.
    pub(crate) fn enter(&self) -> Waiter<'_> {
        self.accounts().waiters += 1;
        Waiter(self)
    }

    /// Work may go on.
    pub(crate) fn goes_on(&self, now: Instant) {
        let mut accounts = self.accounts();
        accounts.close(now);
        // Told under the lock, as below: two workers must not tell the end before the beginning.
        if accounts.told.take().is_some() {
            self.events.emit(Event::Resumed);
        }
    }

    /// Time for which work stood still, by reason, up to now.
    pub(crate) fn waited(&self, now: Instant) -> BTreeMap<Reason, Duration> {
        let accounts = self.accounts();
        let mut totals = accounts.totals.clone();
        if let Some((reason, since)) = accounts.open {
            *totals.entry(reason).or_default() += now.saturating_duration_since(since);
        }
        totals
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// Notes what it waits for.
    pub(crate) fn waits(&self, wait: Wait, now: Instant) {
        let mut accounts = self.0.accounts();
        if accounts
            .open
            .is_none_or(|(reason, _)| reason != wait.reason)
        {
            accounts.close(now);
            accounts.open = Some((wait.reason, now));
        }
        if accounts
            .told
            .as_ref()
            .is_none_or(|told| !wait.is_told_by(told))
        {
            tracing::info!(reason = wait.reason.as_str(), "waiting: {wait}");
            accounts.told = Some(wait.clone());
            self.0.events.emit(Event::Waiting(wait.into()));
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut accounts = self.0.accounts();
        accounts.waiters -= 1;
        if accounts.waiters == 0 {
            accounts.close(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn wait(reason: Reason, text: &str) -> Wait {
        Wait {
            reason,
            text: text.to_owned(),
            metric: None,
            value: None,
            threshold: None,
        }
    }

    /// A ledger, and what it has told.
    fn ledger() -> (Ledger, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let events = EventSink::new(move |event| {
            let text = match event {
                Event::Waiting(wait) => wait.reason,
                Event::Resumed => "resumed".to_owned(),
                other => format!("{other:?}"),
            };
            heard.lock().expect("not poisoned").push(text);
        });
        (Ledger::new(events), told)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_reason_is_told_once_however_many_wait_and_its_time_counts_once() {
        let (ledger, told) = ledger();
        let now = Instant::now();
        let (one, two) = (ledger.enter(), ledger.enter());
        one.waits(wait(Reason::Paused, "paused"), now);
        two.waits(wait(Reason::Paused, "paused"), now + SECOND);
        one.waits(wait(Reason::ReplicaLag, "lag of a"), now + 2 * SECOND);
        two.waits(wait(Reason::ReplicaLag, "lag of b"), now + 3 * SECOND);
        let so_far = BTreeMap::from([
            (Reason::Paused, 2 * SECOND),
            (Reason::ReplicaLag, 2 * SECOND),
        ]);
        assert_eq!(ledger.waited(now + 4 * SECOND), so_far);
        ledger.goes_on(now + 5 * SECOND);
        ledger.goes_on(now + 6 * SECOND);
        let total = BTreeMap::from([
            (Reason::Paused, 2 * SECOND),
            (Reason::ReplicaLag, 3 * SECOND),
        ]);
        assert_eq!(ledger.waited(now + 9 * SECOND), total);
        assert_eq!(
            *told.lock().expect("not poisoned"),
            ["paused", "lag of a", "resumed"]
        );
    }

    #[test]
    fn signals_that_are_missing_for_other_reasons_are_told_each() {
        let (ledger, told) = ledger();
        let (now, waiter) = (Instant::now(), ledger.enter());
        for text in ["a is gone", "a is gone", "b is gone"] {
            waiter.waits(wait(Reason::SignalMissing, text), now);
        }
        assert_eq!(
            *told.lock().expect("not poisoned"),
            ["a is gone", "b is gone"]
        );
    }

    #[test]
    fn time_ends_with_the_last_who_waits() {
        let (ledger, told) = ledger();
        let now = Instant::now();
        let (one, two) = (ledger.enter(), ledger.enter());
        one.waits(wait(Reason::Paused, "paused"), now);
        drop(one);
        let hours = |count: u32| ledger.waited(now + 3600 * count * SECOND);
        assert!(hours(1) < hours(2));
        drop(two);
        assert_eq!(hours(1), hours(2));
        assert_eq!(hours(1).into_keys().collect::<Vec<_>>(), [Reason::Paused]);
        // The next one to ask finds that it goes on.
        assert_eq!(*told.lock().expect("not poisoned"), ["paused"]);
        ledger.goes_on(now);
        assert_eq!(*told.lock().expect("not poisoned"), ["paused", "resumed"]);
    }
}
