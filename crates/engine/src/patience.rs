//! Patience with failures that pass by themselves, wherever nobody nearer to them tries again: a
//! table that a TRUNCATE holds for a moment, a connection that is lost.

use std::time::{Duration, Instant};

use crossfade_plan::event::{Event, RetryClass};
use crossfade_postgres::{ErrorClass, RetryPolicy};

use crate::engine::Engine;
use crate::error::EngineError;

/// Work that ran for so long was under way: a failure after it begins a new streak.
const UNDER_WAY: Duration = Duration::from_secs(30);

/// A streak of passing failures.
#[derive(Debug)]
pub(crate) struct Patience {
    policy: RetryPolicy,
    pause: Duration,
    since: Option<Instant>,
}

impl Patience {
    /// As much as the engine's limits say.
    pub(crate) fn new(engine: &Engine) -> Self {
        let policy = engine.lock_policy();
        Self {
            policy,
            pause: policy.first_pause,
            since: None,
        }
    }

    /// Ends the streak if the work that began then was under way.
    pub(crate) fn worked_since(&mut self, began: Instant) {
        if began.elapsed() > UNDER_WAY {
            self.since = None;
            self.pause = self.policy.first_pause;
        }
    }

    /// Pauses before the next attempt. Fails with the error itself if it does not pass, if the
    /// time is up, or when told to stop.
    pub(crate) async fn pause(
        &mut self,
        engine: &Engine,
        error: EngineError,
    ) -> Result<(), EngineError> {
        let class = match error.class() {
            ErrorClass::Retry => RetryClass::Lock,
            ErrorClass::Reconnect => RetryClass::Connection,
            ErrorClass::Row | ErrorClass::Privilege | ErrorClass::Unknown => return Err(error),
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > self.policy.give_up_after || engine.stop.is_cancelled() {
            return Err(error);
        }
        let pause = self.pause.mul_f64(rand::random_range(0.5..=1.0));
        self.pause = (self.pause * 2).min(self.policy.longest_pause);
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        engine.events.emit(Event::Retry { class, pause_ms });
        tracing::info!(error = %error, ?pause, "trying again");
        tokio::select! {
            () = engine.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        Ok(())
    }
}

impl Engine {
    /// Does what can be done again without harm until it no longer fails in a way that passes.
    pub(crate) async fn patiently<T>(
        &self,
        work: impl AsyncFn() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut patience = Patience::new(self);
        loop {
            match work().await {
                Ok(done) => return Ok(done),
                Err(error) => patience.pause(self, error).await?,
            }
        }
    }
}
