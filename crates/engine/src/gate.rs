//! The gate: what must be proved for the swap, asked inside its own transaction, under its locks.

use crossfade_dual_write::Gap;
use crossfade_plan::fingerprint::{CatalogParts, Drift, drift};
use crossfade_plan::{Progress, QualifiedName, Stage};
use crossfade_postgres::catalog::Table;
use crossfade_postgres::{Mode, Queries, Transaction, TransactionSettings, rule};
use crossfade_state::{Direction, RelationOid, Verdict};

use crate::continuity;
use crate::error::EngineError;
use crate::runner::Runner;
use crate::stamp::Stamp;

/// Why the gate is shut.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shut {
    /// The stage is not `verified`.
    Stage(Stage),
    /// Triggers were changed or switched off since they were created.
    Gap(Gap),
    /// The source is not what the plan was made for, the target not what the backfill built, or
    /// either changed a moment ago.
    Drift(Vec<Drift>),
    /// The latest verification is not a full one without a difference.
    NotProved,
    /// Rows are recorded that the target refuses.
    RowErrors(i64),
    /// Somebody holds the cutover.
    Held,
    /// Roles that the plan asks have not approved.
    Approvals(Vec<String>),
}

impl Shut {
    /// Whether it opens by what people do, without any work: hold and approvals.
    pub fn waits_for_people(&self) -> bool {
        matches!(self, Self::Held | Self::Approvals(_))
    }
}

impl std::fmt::Display for Shut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stage(stage) => write!(f, "the stage is {stage}, not verified"),
            Self::Gap(gap) => write!(f, "dual-write had a gap: {gap}"),
            Self::Drift(drifted) => {
                let parts: Vec<String> = drifted.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "the schema has changed, and what was proved is void: {}",
                    parts.join(", ")
                )
            }
            Self::NotProved => f.write_str("no full verification without a difference is in force"),
            Self::RowErrors(1) => f.write_str("1 row is refused by the target"),
            Self::RowErrors(rows) => write!(f, "{rows} rows are refused by the target"),
            Self::Held => f.write_str("the cutover is on hold"),
            Self::Approvals(roles) => write!(f, "approvals are missing: {}", roles.join(", ")),
        }
    }
}

async fn parts(queries: &impl Queries, name: &QualifiedName) -> Result<CatalogParts, EngineError> {
    let table = Table::load(queries, name).await?;
    let table = table.ok_or_else(|| EngineError::NoTable(name.clone()))?;
    Ok(table.parts())
}

/// Compares the source with the plan and the target with what the backfill built, and returns the
/// stamp of what was compared. Reading the catalogs whole takes longer than the locks may be held:
/// under them only the stamp is read again. It is read first here, so that what changes in between
/// is seen then.
pub(crate) async fn compare_catalogs(
    runner: &Runner<'_>,
    tables: [RelationOid; 2],
) -> Result<Result<Stamp, Shut>, EngineError> {
    let settings = TransactionSettings {
        mode: Mode::Read,
        ..TransactionSettings::default()
    };
    let transaction = runner
        .engine
        .database()
        .begin(&runner.tag("drift"), &settings)
        .await?;
    let stamp = Stamp::read(&transaction, tables).await?;
    let (plan, store) = (&runner.plan, &runner.engine.store);
    let mut drifted = drift(
        &plan.catalog,
        &parts(&transaction, &plan.mapping.source).await?,
    );
    // Without a record everything is drift: what was not built cannot be right.
    let built = store.target_catalog(&transaction, runner.record.id).await?;
    let found = parts(&transaction, &plan.mapping.target).await?;
    drifted.extend(drift(&built.unwrap_or_default(), &found));
    transaction.rollback().await?;
    Ok(if drifted.is_empty() || !rule::holds("gate/catalogs") {
        Ok(stamp)
    } else {
        Err(Shut::Drift(drifted))
    })
}

/// What people decide, and what is known without locks: asked before anything is locked, and again
/// under the locks.
pub(crate) async fn check_state(
    runner: &Runner<'_>,
    queries: &impl Queries,
) -> Result<Option<Shut>, EngineError> {
    let (store, id) = (&runner.engine.store, runner.record.id);
    // Sent at once: each round trip under the locks is one that everybody waits for.
    let (record, latest, refused, control) = tokio::try_join!(
        store.migration(queries, id),
        store.latest_verification(queries, id),
        store.row_error_count(queries, &runner.record.name, Direction::Forward),
        store.control(queries, id),
    )?;
    if record.stage.after(Progress::CutOver).is_err() && rule::holds("gate/stage") {
        return Ok(Some(Shut::Stage(record.stage)));
    }
    let proved = latest.is_some_and(|latest| {
        latest.valid
            && latest.direction == Direction::Forward
            && latest
                .result
                .is_some_and(|result| result.verdict == Verdict::Exact)
    });
    if !proved && rule::holds("gate/proved") {
        return Ok(Some(Shut::NotProved));
    }
    if refused > 0 && rule::holds("gate/row-errors") {
        return Ok(Some(Shut::RowErrors(refused)));
    }
    if control.hold && rule::holds("gate/hold") {
        return Ok(Some(Shut::Held));
    }
    missing_approvals(runner, queries, &runner.plan.file.cutover.approvals).await
}

/// The roles that have not approved.
pub(crate) async fn missing_approvals(
    runner: &Runner<'_>,
    queries: &impl Queries,
    asked: &[String],
) -> Result<Option<Shut>, EngineError> {
    if asked.is_empty() || !rule::holds("gate/approvals") {
        return Ok(None);
    }
    let given = runner
        .engine
        .store
        .approvals(queries, runner.record.id)
        .await?;
    let missing: Vec<String> = asked
        .iter()
        .filter(|role| !given.iter().any(|approval| approval.role == **role))
        .cloned()
        .collect();
    Ok((!missing.is_empty()).then_some(Shut::Approvals(missing)))
}

/// The whole gate, under the locks.
pub(crate) async fn check(
    runner: &Runner<'_>,
    transaction: &Transaction,
    tables: [RelationOid; 2],
    compared: &Stamp,
) -> Result<Option<Shut>, EngineError> {
    if !rule::holds("gate/under-locks") {
        return Ok(None);
    }
    let names = &runner.plan.objects.forward;
    let (shut, gap, stamp) = tokio::try_join!(
        check_state(runner, transaction),
        continuity::gap(runner, transaction, tables[0], names),
        Stamp::read(transaction, tables),
    )?;
    if shut.is_some() {
        return Ok(shut);
    }
    if let Some(gap) = gap.filter(|_| rule::holds("gate/continuity")) {
        return Ok(Some(Shut::Gap(gap)));
    }
    let moved = stamp != *compared && rule::holds("gate/stamp");
    Ok(moved.then(|| Shut::Drift(Vec::new())))
}
