//! Preflight: what must be true before a migration may touch anything. One check, one file.

mod connections;
pub(crate) mod dependents;
mod disk;
mod encoding;
mod event_triggers;
mod kind;
mod names;
mod pooler;
mod requires;
mod role;
mod server;
mod snapshots;

use crossfade_postgres::Database;
use crossfade_state::Store;
use serde::Serialize;

use crate::engine::Limits;
use crate::error::EngineError;
use crate::expand::Expansion;

/// Which stage asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Before anything is created.
    Expand,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// Good to know; nothing stops.
    Warn,
    /// Nobody could tell. Stops, unless it is accepted by name.
    Unknown,
    /// Stops.
    Fail,
}

/// One check of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name, as `--accept-unknown` takes it.
    pub check: &'static str,
    /// What it came to.
    pub outcome: Outcome,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do about it; `None` where nothing needs doing.
    pub remedy: Option<String>,
}

impl Finding {
    fn pass(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            outcome: Outcome::Pass,
            message: message.into(),
            remedy: None,
        }
    }

    fn of(
        check: &'static str,
        outcome: Outcome,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            check,
            outcome,
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// All checks of one run, in the order in which they ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What each check came to.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The findings that stop, given what was accepted.
    pub fn stopping<'a>(&'a self, limits: &'a Limits) -> impl Iterator<Item = &'a Finding> {
        self.findings
            .iter()
            .filter(|finding| match finding.outcome {
                Outcome::Pass | Outcome::Warn => false,
                Outcome::Unknown => !limits.accepted_unknowns.contains(finding.check),
                Outcome::Fail => true,
            })
    }

    /// The warnings, each a sentence or two.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.findings
            .iter()
            .filter(|finding| finding.outcome == Outcome::Warn)
            .map(|finding| match &finding.remedy {
                Some(remedy) => format!("{}: {}; {remedy}", finding.check, finding.message),
                None => format!("{}: {}", finding.check, finding.message),
            })
    }

    pub(crate) fn refuse_unless_passed(&self, limits: &Limits) -> Result<(), EngineError> {
        let findings: Vec<Finding> = self.stopping(limits).cloned().collect();
        if findings.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Preflight(Box::new(Self { findings })))
        }
    }
}

/// What the checks look at.
struct Context<'a> {
    database: &'a Database,
    limits: &'a Limits,
    /// `None` where no state schema exists: reading does not make one.
    store: Option<&'a Store>,
    expansion: &'a Expansion,
    /// Of the statements of the checks.
    tag: &'a str,
    session: crossfade_postgres::Session,
}

/// Runs every check of a scope. Reads only; `store` may be `None` where there is no state yet.
pub async fn run(
    database: &Database,
    store: Option<&Store>,
    limits: &Limits,
    expansion: &Expansion,
    scope: Scope,
) -> Result<Report, EngineError> {
    let tag = format!("{}/preflight", expansion.plan.file.name);
    // First of all, since it takes two connections of a pool that may not have more.
    let pooling = database.pooling(&tag).await?;
    let session = database.session(&tag).await?;
    let context = Context {
        database,
        limits,
        store,
        expansion,
        tag: &tag,
        session,
    };
    let findings = match scope {
        Scope::Expand => vec![
            server::check(&context).await?,
            encoding::check(&context).await?,
            pooler::check(&context, pooling).await?,
            role::check(&context).await?,
            kind::check(&context),
            dependents::check(&context),
            names::check(&context).await?,
            event_triggers::check(&context).await?,
            requires::check(&context).await?,
            connections::check(&context).await?,
            disk::check(&context).await?,
            snapshots::check(&context).await?,
        ],
    };
    Ok(Report { findings })
}

/// Reads a column of the only row of a query.
async fn value<T: tokio_postgres::types::FromSqlOwned>(
    context: &Context<'_>,
    sql: &str,
    params: &[crossfade_postgres::Param<'_>],
) -> Result<T, EngineError> {
    use crossfade_postgres::Queries;
    match context.session.query_opt(sql, params).await? {
        Some(row) => Ok(row
            .try_get(0)
            .map_err(crossfade_postgres::QueryError::from)?),
        None => unreachable!("the query has no condition that could leave no row"),
    }
}
