//! Run: every stage that is still to do, one after the other.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::file::PlanFile;
use crossfade_plan::{MigrationName, Stage};
use crossfade_state::{Direction, MigrationRecord, Verdict};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::runner::StageEnd;
use crate::verify::{VerifyEnd, VerifyRequest};

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct RunRequest<'a> {
    /// The migration.
    pub name: &'a MigrationName,
    /// Its plan file, where it may still have to be registered; one that is registered must be
    /// the same.
    pub file: Option<&'a PlanFile>,
    /// The plan that was reviewed, if it is to be exactly that.
    pub reviewed: Option<&'a ExecutionPlan>,
    /// The stage up to which it goes.
    pub to: Stage,
    /// How both sides are compared on the way. Anything but a comparison of every row ends the
    /// run, for nothing else proves what the cutover needs.
    pub verify: VerifyRequest,
}

/// How a run ended, when it did not fail.
#[derive(Debug, Clone)]
pub enum RunEnd {
    /// The stage is reached; `already` if it was before this run.
    Reached {
        /// Whether an earlier run had reached it.
        already: bool,
    },
    /// Told to stop; the next run goes on from here.
    Stopped,
    /// Rows could not be copied; they are recorded.
    RowErrors(u64),
    /// The verification did not prove that both sides are equal.
    NotProved(Box<VerifyEnd>),
}

impl Engine {
    /// Goes through every stage up to `request.to`, from wherever the migration is.
    ///
    /// One that was rolled back is not begun anew: [`EngineError::TooLate`]. That takes
    /// [`Engine::expand`], by somebody who wants it.
    pub async fn run(&self, request: RunRequest<'_>) -> Result<RunEnd, EngineError> {
        let mut record = self.known(request.name).await?;
        if let (Some(record), Some(file)) = (&record, request.file) {
            self.refuse_edited(record, file).await?;
        }
        let mut already = true;
        loop {
            let stage = record.as_ref().map_or(Stage::Planned, |known| known.stage);
            if stage.is_undone() {
                return Err(EngineError::TooLate { found: stage });
            }
            if stage >= request.to {
                return Ok(RunEnd::Reached { already });
            }
            if self.stop.is_cancelled() {
                return Ok(RunEnd::Stopped);
            }
            already = false;
            let end = match &record {
                Some(record) => Box::pin(self.next_stage(record, request)).await?,
                None => match request.file {
                    Some(file) => Box::pin(self.expand(file, request.reviewed)).await?.into(),
                    None => return Err(EngineError::UnknownMigration(request.name.clone())),
                },
            };
            if !matches!(end, RunEnd::Reached { .. }) {
                return Ok(end);
            }
            record = self.known(request.name).await?;
        }
    }

    /// Refuses a plan file that is not the one under which the migration is registered.
    pub async fn refuse_edited(
        &self,
        record: &MigrationRecord,
        file: &PlanFile,
    ) -> Result<(), EngineError> {
        if record.stage == Stage::RolledBack {
            return Ok(());
        }
        let plan = self.registered_plan(record).await?;
        self.register(&plan.with_file(file), record.table_oid).await
    }

    async fn known(&self, name: &MigrationName) -> Result<Option<MigrationRecord>, EngineError> {
        self.patiently(async || {
            let session = self.store.session(&format!("{name}/run")).await?;
            Ok(self.store.find(&session, name).await?)
        })
        .await
    }

    async fn next_stage(
        &self,
        record: &MigrationRecord,
        request: RunRequest<'_>,
    ) -> Result<RunEnd, EngineError> {
        let name = &record.name;
        Ok(match record.stage {
            Stage::Planned => {
                let plan = self.registered_plan(record).await?;
                let file = request.file.unwrap_or(&plan.file);
                self.expand(file, request.reviewed).await?.into()
            }
            Stage::Expanded | Stage::Backfilling => self.backfill(name).await?.into(),
            Stage::Backfilled => {
                // A trigger may have recorded rows since: they are tried again first.
                if self.has_refused_rows(name).await? {
                    match self.backfill(name).await? {
                        StageEnd::Reached { .. } => {}
                        end => return Ok(end.into()),
                    }
                }
                self.proved(name, request.verify).await?
            }
            Stage::Verified => self.cutover(name).await?.into(),
            Stage::CutOver => self.contract(name).await?.into(),
            Stage::Contracted | Stage::RollingBack | Stage::RolledBack => {
                RunEnd::Reached { already: true }
            }
        })
    }

    async fn proved(
        &self,
        name: &MigrationName,
        request: VerifyRequest,
    ) -> Result<RunEnd, EngineError> {
        match self.verify(name, request).await? {
            VerifyEnd::Stopped => Ok(RunEnd::Stopped),
            VerifyEnd::Done { report, .. } if report.verdict == Verdict::Exact => {
                Ok(RunEnd::Reached { already: false })
            }
            end => Ok(RunEnd::NotProved(Box::new(end))),
        }
    }

    async fn has_refused_rows(&self, name: &MigrationName) -> Result<bool, EngineError> {
        self.patiently(async || {
            let session = self.store.session(&format!("{name}/run")).await?;
            let refused = self
                .store
                .row_error_count(&session, name, Direction::Forward)
                .await?;
            Ok(refused > 0)
        })
        .await
    }
}

impl From<StageEnd> for RunEnd {
    fn from(end: StageEnd) -> Self {
        match end {
            StageEnd::Reached { already } => Self::Reached { already },
            StageEnd::Stopped => Self::Stopped,
            StageEnd::RowErrors(rows) => Self::RowErrors(rows),
        }
    }
}
