//! `crossfade pause`, `resume`, `hold`, `unhold`: what a runner may begin. It sees a change within
//! a second, whatever host it is on, and the next one finds it too.

use clap::Args;
use crossfade_state::StateError;
use serde::Serialize;

use crate::arguments::FormatArguments;
use crate::error::Failure;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::{migration, output, state};

/// Which migration.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// No further chunk.
    Pause,
    /// Chunks again.
    Resume,
    /// No cutover.
    Hold,
    /// Cutover again.
    Unhold,
}

#[derive(Serialize)]
struct Printed<'a> {
    name: &'a str,
    /// False where it was so already.
    changed: bool,
    paused: bool,
    hold: bool,
}

pub(crate) async fn run(
    change: Change,
    arguments: &Arguments,
    settings: &Settings,
) -> Result<Exit, Failure> {
    let command = change.command();
    let name = migration::name(&arguments.migration)?;
    let store = state::for_change(settings, &name, command).await?;
    let session = store.session(command).await?;
    let id = migration::find_open(&store, &session, &name).await?.id;
    let actor = state::actor();
    let changed: Result<bool, StateError> = match change {
        Change::Pause => store.pause(id, &actor).await,
        Change::Resume => store.resume(id, &actor).await,
        Change::Hold => store.hold(id, &actor).await,
        Change::Unhold => store.unhold(id, &actor).await,
    };
    let changed = changed?;
    let control = store.control(&session, id).await?;
    let printed = Printed {
        name: name.as_str(),
        changed,
        paused: control.paused,
        hold: control.hold,
    };
    arguments.format.print(command, &printed, || {
        let already = if changed { "" } else { ", as it was" };
        output::sentence(&format!("{name} is {}{already}.", change.outcome()))
    })?;
    Ok(Exit::Done)
}

impl Change {
    fn command(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Hold => "hold",
            Self::Unhold => "unhold",
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Pause => "paused: no chunk is begun until `crossfade resume`",
            Self::Resume => "not paused",
            Self::Hold => "on hold: no cutover is begun until `crossfade unhold`",
            Self::Unhold => "not on hold",
        }
    }
}
