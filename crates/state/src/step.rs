//! Steps of an execution plan: which were begun, finished, or failed.

use crossfade_plan::execution::StepId;
use crossfade_postgres::{Queries, Transaction};
use jiff::Timestamp;
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::MigrationId;
use crate::store::Store;

/// A finished step stays finished: nobody begins it again.
const START: &str = "\
    insert into {state}.step as s (migration_id, step_id) values ($1, $2) \
    on conflict (migration_id, step_id) do update \
       set started_at = pg_catalog.clock_timestamp(), error = null \
     where s.finished_at is null";

const FINISH: &str = "\
    insert into {state}.step as s (migration_id, step_id, finished_at) \
    values ($1, $2, pg_catalog.clock_timestamp()) \
    on conflict (migration_id, step_id) do update \
       set finished_at = excluded.finished_at, error = null \
     where s.finished_at is null";

const REOPEN: &str = "\
    update {state}.step set finished_at = null where migration_id = $1 and step_id = $2";

const FAIL: &str = "\
    update {state}.step set error = $3 \
     where migration_id = $1 and step_id = $2 and finished_at is null";

const LIST: &str = "\
    select step_id, started_at, finished_at, error from {state}.step \
     where migration_id = $1 order by started_at, step_id";

/// What is known of a step that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Which one.
    pub id: StepId,
    /// When it was last begun.
    pub started_at: Timestamp,
    /// When it was finished; `None` while it is not.
    pub finished_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl Store {
    /// Records that a step begins. Not part of its work: it commits before.
    pub async fn start_step(
        &self,
        on: &impl Queries,
        id: MigrationId,
        step: &StepId,
    ) -> Result<(), StateError> {
        on.execute(
            &self.sql(START),
            &[(&id.0, Type::INT8), (&step.as_str(), Type::TEXT)],
        )
        .await?;
        Ok(())
    }

    /// Records a step as finished, in the transaction of its own statements: then the record is
    /// the proof that they were carried out.
    pub async fn finish_step(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        step: &StepId,
    ) -> Result<(), StateError> {
        transaction
            .execute(
                &self.sql(FINISH),
                &[(&id.0, Type::INT8), (&step.as_str(), Type::TEXT)],
            )
            .await?;
        Ok(())
    }

    /// Takes back that a step is finished: it has to be done again.
    pub async fn reopen_step(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        step: &StepId,
    ) -> Result<(), StateError> {
        transaction
            .execute(
                &self.sql(REOPEN),
                &[(&id.0, Type::INT8), (&step.as_str(), Type::TEXT)],
            )
            .await?;
        Ok(())
    }

    /// Records why an attempt failed. `error` must hold no value of a row.
    pub async fn fail_step(
        &self,
        on: &impl Queries,
        id: MigrationId,
        step: &StepId,
        error: &str,
    ) -> Result<(), StateError> {
        on.execute(
            &self.sql(FAIL),
            &[
                (&id.0, Type::INT8),
                (&step.as_str(), Type::TEXT),
                (&error, Type::TEXT),
            ],
        )
        .await?;
        Ok(())
    }

    /// The steps that were begun, in the order in which they were.
    pub async fn steps(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Vec<StepRecord>, StateError> {
        let rows = on.query(&self.sql(LIST), &[(&id.0, Type::INT8)]).await?;
        rows.iter()
            .map(|row| {
                Ok(StepRecord {
                    id: StepId::new(row.try_get::<_, String>("step_id")?),
                    started_at: row.try_get("started_at")?,
                    finished_at: row.try_get("finished_at")?,
                    error: row.try_get("error")?,
                })
            })
            .collect()
    }
}
