//! Watches the catalogs while a stage runs for hours: an altered table or a trigger that was switched
//! off is noticed within a heartbeat, not at the next start.
//!
//! It only notices. The stage is asked to finish what is open and leave, and begins again: what it
//! looks at first tells whether it can go on, mends a gap, or refuses.

use std::time::Duration;

use crossfade_plan::Stage;
use crossfade_postgres::rule;
use crossfade_state::{MigrationRecord, RelationOid};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::stamp::Stamp;

/// Whether a stage's catalogs are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watching {
    /// They are: it runs for long, and alters nothing of what is watched.
    Yes,
    /// They are not: it is short, and alters the tables itself.
    No,
}

/// A watch over the catalogs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    eye: Eye,
    altered: CancellationToken,
    _stop: DropGuard,
}

/// What is looked at, and what was seen first.
#[derive(Debug, Clone)]
struct Eye {
    engine: Engine,
    tag: String,
    tables: [RelationOid; 2],
    first: Stamp,
}

impl Watch {
    /// Takes what stands now for what is right, and looks again every so often. To be started
    /// before the stage looks for drift and gaps itself.
    pub(crate) async fn start(
        engine: &Engine,
        record: &MigrationRecord,
        every: Duration,
    ) -> Result<Self, EngineError> {
        let tag = format!("{}/watch", record.name);
        let session = engine.store.session(&tag).await?;
        let source = record.table_oid;
        let mirror = if record.stage == Stage::CutOver {
            let known = engine.store.dual_write_record(&session, record.id).await?;
            known.map_or(source, |known| known.target)
        } else {
            // Before the swap the stage itself builds what the target lacks.
            source
        };
        let tables = [source, mirror];
        let first = Stamp::read(&session, tables).await?;
        drop(session);
        let eye = Eye {
            engine: engine.clone(),
            tag,
            tables,
            first,
        };
        let (altered, stop) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(watch(eye.clone(), every, altered.clone(), stop.clone()));
        Ok(Self {
            eye,
            altered,
            _stop: stop.drop_guard(),
        })
    }

    /// Cancelled when something was altered.
    pub(crate) fn altered(&self) -> &CancellationToken {
        &self.altered
    }

    /// Whether something was altered, as of now: for work that failed, perhaps because of it. What
    /// cannot be told counts as no.
    pub(crate) async fn looks_altered(&self) -> bool {
        self.altered.is_cancelled() || self.eye.sees_another().await.unwrap_or(false)
    }
}

async fn watch(eye: Eye, every: Duration, altered: CancellationToken, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        match eye.sees_another().await {
            Ok(false) => {}
            Ok(true) if !rule::holds("engine/watch") => return,
            Ok(true) => return altered.cancel(),
            // The heartbeat tells whether the server is there.
            Err(error) => tracing::debug!(error = %error, "the catalogs could not be looked at"),
        }
    }
}

impl Eye {
    async fn sees_another(&self) -> Result<bool, EngineError> {
        let session = self.engine.store.session(&self.tag).await?;
        Ok(Stamp::read(&session, self.tables).await? != self.first)
    }
}
