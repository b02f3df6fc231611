//! Watches what people want: `pause`, `resume` and `set`, within a second.

use std::time::Duration;

use crossfade_state::{Control, MigrationId, Store};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::board::{Board, Wanted};
use crate::settings::Settings;
use crate::{LOOK_LIMIT, NO_ANSWER};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// The collector.
#[derive(Debug)]
pub(crate) struct ControlWatch {
    store: Store,
    migration: MigrationId,
    tag: String,
    /// The settings of the plan file, on which the live ones lie.
    planned: Settings,
    board: watch::Sender<Board>,
}

impl ControlWatch {
    pub(crate) fn new(
        store: Store,
        migration: MigrationId,
        tag: String,
        board: watch::Sender<Board>,
    ) -> Self {
        let planned = board.borrow().settings.clone();
        Self {
            store,
            migration,
            tag,
            planned,
            board,
        }
    }

    /// Looks once a second, for as long as it is polled.
    pub(crate) async fn run(self) {
        loop {
            sleep(INTERVAL).await;
            self.look().await;
        }
    }

    /// Looks once.
    pub(crate) async fn look(&self) {
        let found = self.read().await;
        let now = Instant::now();
        self.board.send_modify(|board| match found {
            Ok(control) => self.apply(board, &control, now),
            Err(error) => board.control.failed("control", error),
        });
    }

    /// Puts what was read on the board.
    fn apply(&self, board: &mut Board, control: &Control, now: Instant) {
        // Of a setting that cannot be read no other one is taken either: work stands still, and
        // what is shown is what was followed last.
        let (settings, unreadable) = match self.planned.with(&control.settings) {
            Ok(settings) => (settings, None),
            Err(error) => (board.settings.clone(), Some(error)),
        };
        let wanted = Wanted {
            paused: control.paused,
            unreadable,
        };
        if board.settings != settings || board.control.last() != Some(&wanted) {
            tracing::debug!(
                version = control.version,
                ?settings,
                ?wanted,
                "control changed"
            );
        }
        board.settings = settings;
        board.control.found(wanted, now);
    }

    async fn read(&self) -> Result<Control, String> {
        let session = self
            .store
            .session(&self.tag)
            .await
            .map_err(|error| error.to_string())?;
        let asked = timeout(LOOK_LIMIT, self.store.control(&session, self.migration)).await;
        if let Ok(outcome) = asked {
            return outcome.map_err(|error| error.to_string());
        }
        session.discard();
        Err(NO_ANSWER.to_owned())
    }
}
