//! Verify: compares both sides, records what that proves, repairs if asked.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crossfade_plan::event::{Event, EventSink, RowProgress};
use crossfade_plan::mapping::{Image, Mapping, Rewrite, Volatility};
use crossfade_plan::{MigrationName, Progress, Stage};
use crossfade_postgres::catalog::Estimates;
use crossfade_postgres::{TransactionSettings, failpoint, rule};
use crossfade_state::{Direction, Mode, RelationOid, Verdict};
use crossfade_throttle::{Admission, Throttle};
use crossfade_verify::{Compared, Job, Pace, Permission, RepairReport, Report, SelfTest, Settings};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::expand::refuse_drift;
use crate::runner::{Ending, Runner, under_lease};
use crate::watch::Watching;
use crate::{backfill, continuity};

/// Under which names in the plan's invariants are looked up.
const INVARIANT_PATH: &str = "pg_catalog, public";

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What is asked of a verification.
#[derive(Debug, Clone, Copy)]
pub struct VerifyRequest {
    /// What is done.
    pub comparison: Comparison,
    /// Where random choices begin.
    pub seed: u64,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Every row is compared.
    Full,
    /// Every row is compared, what differs is mended, and every row is compared again.
    FullWithRepair,
    /// So many rows of each side are compared.
    Sample(u64),
    /// The numbers of rows are compared.
    Counts,
    /// The comparison is shown a difference, which it must find.
    SelfTest,
}

/// How a verification ended, when it did not fail.
#[derive(Debug, Clone)]
pub enum VerifyEnd {
    /// It has a verdict.
    Done {
        /// What was read and found, the second time where something was repaired.
        report: Box<Report>,
        /// What was repaired.
        repaired: Option<RepairReport>,
    },
    /// The comparison was shown a difference.
    SelfTest(SelfTest),
    /// Told to stop; the next run goes on from here.
    Stopped,
}

impl Ending for VerifyEnd {
    fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

impl Engine {
    /// Compares both sides and records the verdict: before cutover the target with the source,
    /// after it the old side with the new one.
    pub async fn verify(
        &self,
        name: &MigrationName,
        request: VerifyRequest,
    ) -> Result<VerifyEnd, EngineError> {
        let record = self.record(name).await?;
        match record.stage {
            found @ (Stage::Contracted | Stage::RollingBack | Stage::RolledBack) => {
                return Err(EngineError::TooLate { found });
            }
            Stage::Backfilled | Stage::Verified | Stage::CutOver => {}
            found => {
                return Err(EngineError::TooEarly {
                    found,
                    needed: Stage::Backfilled,
                });
            }
        }
        under_lease(self, &record, Watching::Yes, async |runner| {
            verify_under_lease(runner, request).await
        })
        .await
    }
}

async fn verify_under_lease(
    runner: &mut Runner<'_>,
    request: VerifyRequest,
) -> Result<VerifyEnd, EngineError> {
    let direction = direction(runner);
    if direction == Direction::Forward {
        refuse_drift(runner).await?;
    }
    mend_gap(runner, direction).await?;
    // A repair, or rows that were tried again, may have been cut off before it had passed.
    if !backfill::horizon(runner).await? {
        return Ok(VerifyEnd::Stopped);
    }
    let job = job(runner, direction).await?;
    if request.comparison == Comparison::SelfTest {
        return Ok(VerifyEnd::SelfTest(job.self_test(request.seed).await?));
    }
    let report = compare(&job, runner, request).await?;
    if report.is_stopped() {
        return Ok(VerifyEnd::Stopped);
    }
    record(runner, &report).await?;
    if request.comparison != Comparison::FullWithRepair || report.verdict != Verdict::Mismatch {
        return Ok(VerifyEnd::Done {
            report: Box::new(report),
            repaired: None,
        });
    }
    let repaired = job
        .repair(report.verification, &runner.engine.actor)
        .await?;
    failpoint::hit("verify/repaired");
    // As after the copy: nobody may see the target as it was before.
    let waits = rule::holds("verify/repair-waits");
    if repaired.stopped || (waits && !backfill::horizon(runner).await?) {
        return Ok(VerifyEnd::Stopped);
    }
    // A repair proves nothing: only a pass that finds nothing does.
    let report = compare(&job, runner, request).await?;
    if report.is_stopped() {
        return Ok(VerifyEnd::Stopped);
    }
    record(runner, &report).await?;
    Ok(VerifyEnd::Done {
        report: Box::new(report),
        repaired: Some(repaired),
    })
}

fn direction(runner: &Runner<'_>) -> Direction {
    if runner.record.stage == Stage::CutOver {
        Direction::Reverse
    } else {
        Direction::Forward
    }
}

async fn mend_gap(runner: &mut Runner<'_>, direction: Direction) -> Result<(), EngineError> {
    let (table, names) = match direction {
        Direction::Forward => (runner.record.table_oid, runner.plan.objects.forward.clone()),
        Direction::Reverse => (target(runner).await?, runner.plan.objects.reverse.clone()),
    };
    continuity::mend(runner, table, &names).await?;
    Ok(())
}

async fn target(runner: &Runner<'_>) -> Result<RelationOid, EngineError> {
    let session = runner.engine.store.session(&runner.tag("verify")).await?;
    let record = runner
        .engine
        .store
        .dual_write_record(&session, runner.record.id)
        .await?;
    let Some(record) = record else {
        let found = runner.record.stage;
        return Err(EngineError::TooEarly {
            found,
            needed: Stage::Expanded,
        });
    };
    Ok(record.target)
}

async fn job(runner: &Runner<'_>, direction: Direction) -> Result<Job<Paced>, EngineError> {
    let engine = runner.engine;
    let objects = &runner.plan.objects;
    let mapping = match direction {
        Direction::Forward => runner.plan.mapping.clone(),
        Direction::Reverse => {
            let mapping = &runner.plan.mapping;
            let mut back = mapping.reversed(mapping.source.clone(), objects.retired.clone());
            leave_old_values(&mut back);
            back
        }
    };
    let session = engine.store.session(&runner.tag("verify")).await?;
    let estimates = Estimates::load(&session, runner.record.table_oid.0).await?;
    drop(session);
    let throttle = Throttle::start(
        engine.store.clone(),
        runner.record.id,
        &runner.plan.file,
        engine.events.clone(),
        runner.stop(),
    )
    .await;
    let workers = usize::try_from(runner.plan.file.backfill.workers).unwrap_or(1);
    Ok(Job {
        store: engine.store.clone(),
        lease: runner.lease().clone(),
        name: runner.record.name.clone(),
        direction,
        mapping,
        settings: Settings {
            workers,
            ..Settings::default()
        },
        pace: Paced {
            throttle,
            stop: runner.stop().clone(),
            events: engine.events.clone(),
            rows_estimated: estimates.and_then(|estimates| estimates.rows),
            tally: Mutex::new(Tally::start()),
        },
        stop: runner.stop().clone(),
    })
}

/// A row that nobody has written since the cutover has its old values on the old side, which the
/// way back need not give: they are right, and a repair must not write over them.
fn leave_old_values(back: &mut Mapping) {
    let whole = back.clone();
    let free = |image: &&mut Image| !whole.is_key(&image.column);
    for image in back.forward.iter_mut().filter(free) {
        if !image.undoes(&whole.reverse) && rule::holds("verify/old-values") {
            image.volatility = Volatility::Original;
            image.rewrite = Rewrite::Never;
        }
    }
}

async fn compare(
    job: &Job<Paced>,
    runner: &Runner<'_>,
    request: VerifyRequest,
) -> Result<Report, EngineError> {
    let invariants = &runner.plan.file.verify.invariants;
    let report = match request.comparison {
        Comparison::Full | Comparison::FullWithRepair => {
            Box::pin(job.full(false, invariants, INVARIANT_PATH)).await?
        }
        Comparison::Sample(size) => {
            Box::pin(job.sample(size, request.seed, invariants, INVARIANT_PATH)).await?
        }
        Comparison::Counts => Box::pin(job.counts(invariants, INVARIANT_PATH)).await?,
        Comparison::SelfTest => unreachable!("the self-test compares on its own"),
    };
    job.pace.tell(
        &mut job
            .pace
            .tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    let rows = |count: i64| u64::try_from(count).unwrap_or(0);
    runner.engine.events.emit(Event::Verdict {
        verdict: report.verdict.as_str().to_owned(),
        source_rows: rows(report.source_rows),
        target_rows: rows(report.target_rows),
        differences: rows(report.differences),
    });
    Ok(report)
}

/// Records the verdict, and the stage that follows, in one transaction.
async fn record(runner: &mut Runner<'_>, report: &Report) -> Result<(), EngineError> {
    failpoint::hit("verify/before-verdict");
    let (store, id) = (&runner.engine.store, runner.record.id);
    let transaction = runner
        .begin("verdict", &TransactionSettings::default())
        .await?;
    store
        .finish_verification(&transaction, id, report.verification, &report.result())
        .await?;
    let progress = match (report.direction, report.mode, report.verdict) {
        (Direction::Forward, Mode::Full, Verdict::Exact) => Some(Progress::Verified),
        (Direction::Forward, _, Verdict::Mismatch) => Some(Progress::ProofVoided),
        _ => None,
    };
    let mut stage = runner.record.stage;
    if let Some(progress) = progress {
        stage = store
            .advance(&transaction, id, progress, &runner.engine.actor)
            .await?;
    }
    transaction.commit().await?;
    runner.record.stage = stage;
    failpoint::hit("verify/recorded");
    Ok(())
}

/// Paces the comparison like the backfill, and tells how far it is.
#[derive(Debug)]
struct Paced {
    throttle: Throttle,
    stop: CancellationToken,
    events: EventSink,
    rows_estimated: Option<f64>,
    tally: Mutex<Tally>,
}

#[derive(Debug)]
struct Tally {
    rows: u64,
    started: Instant,
    told: Instant,
}

impl Tally {
    fn start() -> Self {
        let now = Instant::now();
        Self {
            rows: 0,
            started: now,
            told: now,
        }
    }
}

impl Paced {
    fn tell(&self, tally: &mut Tally) {
        tally.told = Instant::now();
        let seconds = tally.started.elapsed().as_secs_f64();
        let progress = progress(tally.rows, self.rows_estimated, seconds);
        self.events.emit(Event::Progress(progress));
    }
}

impl Pace for Paced {
    async fn ready(&self) -> Permission {
        match self.throttle.admit(&self.stop).await {
            Admission::Go => Permission::Go,
            Admission::Stopped => Permission::Stop,
        }
    }

    fn compared(&self, chunk: &Compared) {
        failpoint::hit("verify/compared");
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.rows += chunk.source_rows;
        if tally.told.elapsed() >= TELL_EVERY {
            self.tell(&mut tally);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "estimates for people; never negative"
)]
fn progress(rows: u64, estimated: Option<f64>, seconds: f64) -> RowProgress {
    // Before that, it is the rate of the clock.
    let rate = (seconds >= 0.5).then(|| rows as f64 / seconds);
    let left = estimated.map(|estimated| (estimated - rows as f64).max(0.0));
    RowProgress {
        rows_done: rows,
        rows_estimated: estimated.map(|estimated| (estimated as u64).max(rows)),
        rate,
        eta_seconds: left
            .zip(rate)
            .filter(|(_, rate)| *rate > 0.0)
            .map(|(left, rate)| (left / rate) as u64),
    }
}
