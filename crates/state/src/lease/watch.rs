//! Watching a lease that another runner has: is it alive?

use std::time::Duration;

use super::LeaseHolder;
use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::Store;

/// What watching a lease has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// Its owner is alive.
    Held(LeaseHolder),
    /// It is free or expired, and can be asked for.
    Free,
}

impl Store {
    /// Watches a lease until its owner gives a sign of life, gives it back, or lets it expire.
    ///
    /// `ttl` is our own, and says how often to look; when the lease ends is for the server to
    /// tell. Never waits longer than the owner's time. Only reads.
    pub async fn watch_until_free(
        &self,
        id: MigrationId,
        ttl: Duration,
    ) -> Result<Watched, StateError> {
        let pause = (ttl / 12).clamp(Duration::from_millis(20), Duration::from_secs(5));
        let mut first: Option<LeaseHolder> = None;
        loop {
            // Not kept over the pause: others need the pool's connections.
            let session = self.session("state/lease").await?;
            let now = self.lease_holder(&session, id).await?;
            drop(session);
            let Some(now) = now.filter(|holder| !holder.expired) else {
                return Ok(Watched::Free);
            };
            let seen = first.get_or_insert_with(|| now.clone());
            if (seen.epoch, seen.heartbeat_at) != (now.epoch, now.heartbeat_at) {
                return Ok(Watched::Held(now));
            }
            tokio::time::sleep(pause).await;
        }
    }
}
