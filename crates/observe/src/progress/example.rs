//! Events of a backfill, for the tests.

use crossfade_plan::Stage;
use crossfade_plan::event::{Event, RowProgress, Wait};
use crossfade_plan::execution::StepId;

pub(super) fn copying() -> Vec<Event> {
    vec![
        Event::StepStarted {
            step: StepId::new("backfill"),
            title: "copy the rows".to_owned(),
            stage: Stage::Backfilled,
        },
        Event::Progress(RowProgress {
            rows_done: 12_000,
            rows_estimated: Some(48_000),
            rate: Some(1500.0),
            eta_seconds: Some(24),
        }),
        Event::RowError {
            key: vec!["7".to_owned()],
            sqlstate: "22003".to_owned(),
        },
        Event::Waiting(Wait {
            reason: "replica lag".to_owned(),
            metric: Some("max_replica_lag".to_owned()),
            value: None,
            threshold: Some("1500ms".to_owned()),
        }),
    ]
}
