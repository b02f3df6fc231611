//! Contract: removes the old side, for good.

use std::time::Duration;

use crossfade_plan::{MigrationName, Progress, Stage};
use crossfade_postgres::{Queries, QueryError, rule};
use tokio_postgres::types::Type;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::executor::{self, Also, StepEnd};
use crate::explain::hanging_on;
use crate::gate;
use crate::runner::{Runner, StageEnd, under_lease};
use crate::watch::Watching;

const SOAKED: &str =
    "select extract(epoch from pg_catalog.clock_timestamp() - $1::text::timestamptz)::float8";

impl Engine {
    /// Drops the old side, if its time has come; does nothing if that was done before.
    pub async fn contract(&self, name: &MigrationName) -> Result<StageEnd, EngineError> {
        let record = self.record(name).await?;
        match record.stage {
            Stage::Contracted => return Ok(StageEnd::Reached { already: true }),
            found if found.is_undone() => return Err(EngineError::TooLate { found }),
            Stage::CutOver => {}
            found => {
                return Err(EngineError::TooEarly {
                    found,
                    needed: Stage::CutOver,
                });
            }
        }
        under_lease(self, &record, Watching::No, async |runner| {
            contract_under_lease(runner).await
        })
        .await
    }
}

async fn contract_under_lease(runner: &mut Runner<'_>) -> Result<StageEnd, EngineError> {
    if runner.has_reached(Stage::Contracted) {
        return Ok(StageEnd::Reached { already: true });
    }
    refuse_unless_soaked(runner).await?;
    let session = runner
        .engine
        .store
        .session(&runner.tag("approvals"))
        .await?;
    let asked = &runner.plan.file.contract.approvals;
    if let Some(shut) = gate::missing_approvals(runner, &session, asked).await?
        && rule::holds("contract/approvals")
    {
        return Err(EngineError::GateShut(shut));
    }
    drop(session);
    let hanging = hanging_on(runner, &runner.plan.objects.retired).await?;
    if !hanging.is_empty() {
        return Err(EngineError::Hanging(hanging));
    }
    let steps: Vec<_> = runner.plan.steps_to(Stage::Contracted).cloned().collect();
    for (at, step) in steps.iter().enumerate() {
        let last = at + 1 == steps.len();
        let also = if last {
            Also::Progress(Progress::Contracted)
        } else {
            Also::Nothing
        };
        if executor::run(runner, step, also).await? == StepEnd::Stopped {
            return Ok(StageEnd::Stopped);
        }
    }
    Ok(StageEnd::Reached { already: false })
}

/// The way back stays open for the plan's soak time, by the server's clock.
async fn refuse_unless_soaked(runner: &Runner<'_>) -> Result<(), EngineError> {
    let soak = runner.plan.file.contract.soak.get();
    let Some(cut_over_at) = runner.record.cut_over_at else {
        let found = runner.record.stage;
        return Err(EngineError::TooEarly {
            found,
            needed: Stage::CutOver,
        });
    };
    let session = runner.engine.store.session(&runner.tag("soak")).await?;
    let row = session
        .query_opt(SOAKED, &[(&cut_over_at.to_string(), Type::TEXT)])
        .await?;
    let seconds: f64 = match row {
        Some(row) => row.try_get(0).map_err(QueryError::from)?,
        None => unreachable!("a select without a from clause returns one row"),
    };
    let soaked = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    match soak.checked_sub(soaked) {
        Some(left) if !left.is_zero() && rule::holds("contract/soak") => {
            Err(EngineError::Soaking { left })
        }
        _ => Ok(()),
    }
}
