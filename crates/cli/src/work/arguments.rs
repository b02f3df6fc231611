//! Options that several stage commands share.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use crossfade_engine::Limits;
use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::hazard::HazardId;
use crossfade_postgres::Database;
use crossfade_throttle::{Deadline, MaxRuntime, Until};
use jiff::tz::TimeZone;

use super::deadline_failure;
use crate::error::Failure;
use crate::plan_source::read_plan_document;
use crate::settings::Settings;

/// How long things are waited for.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LimitArguments {
    /// How long the lease lives without a sign of life [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_lease_ttl)]
    lease_ttl: Option<Duration>,
    /// How long locks, old snapshots and a server that goes away are waited for [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_wait: Option<Duration>,
}

impl LimitArguments {
    /// The limits, where an option wins over the other settings.
    pub(crate) fn limits(self, settings: &Settings) -> Limits {
        let usual = Limits::default();
        Limits {
            lease_ttl: self
                .lease_ttl
                .or(settings.lease_ttl)
                .unwrap_or(usual.lease_ttl),
            max_wait: self
                .max_wait
                .or(settings.max_wait)
                .unwrap_or(usual.max_wait),
            ..usual
        }
    }
}

/// When a run has to end.
#[derive(Debug, Clone, Args)]
pub(crate) struct WindowArguments {
    /// Stop cleanly at this time of the server's clock: HH:MM, or RFC 3339
    #[arg(long, value_name = "TIME")]
    until: Option<Until>,
    /// Time zone of --until
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = time_zone, requires = "until")]
    tz: TimeZone,
    /// Stop cleanly after so long, such as 90m
    #[arg(long, value_name = "DURATION")]
    max_runtime: Option<MaxRuntime>,
}

impl WindowArguments {
    pub(super) async fn deadline(&self, database: &Database) -> Result<Deadline, Failure> {
        let until = self.until.map(|until| (until, &self.tz));
        Deadline::start(database, until, self.max_runtime)
            .await
            .map_err(deadline_failure)
    }
}

/// What is accepted before anything is created.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExpandArguments {
    /// Run exactly this plan, from `plan --out`
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Accept a hazard of the plan; can be given again
    #[arg(long, value_name = "ID", value_parser = hazard)]
    allow_hazard: Vec<HazardId>,
    #[command(flatten)]
    pub(crate) preflight: PreflightArguments,
}

/// What preflight cannot know.
#[derive(Debug, Clone, Args)]
pub(crate) struct PreflightArguments {
    /// Accept that a preflight check cannot tell; can be given again
    #[arg(long, value_name = "CHECK")]
    accept_unknown: Vec<String>,
    /// Free space on the server's disk, such as 200GiB
    #[arg(long, value_name = "SIZE")]
    free_disk: Option<ByteSize>,
}

impl PreflightArguments {
    /// Puts what is accepted into the limits.
    pub(crate) fn add_to(&self, limits: &mut Limits) {
        limits.accepted_unknowns.extend(self.accept_unknown.clone());
        limits.free_disk_bytes = self.free_disk.map(|size| size.as_u64());
    }
}

impl ExpandArguments {
    /// Puts what is accepted into the limits.
    pub(crate) fn add_to(&self, limits: &mut Limits) {
        limits.allowed_hazards.extend(&self.allow_hazard);
        self.preflight.add_to(limits);
    }

    /// The plan that was reviewed, if one was given.
    pub(crate) fn reviewed(&self) -> Result<Option<ExecutionPlan>, Failure> {
        self.plan.as_deref().map(read_plan_document).transpose()
    }
}

/// Consent to what cannot be undone.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConfirmArguments {
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub(crate) yes: bool,
}

fn hazard(text: &str) -> Result<HazardId, String> {
    HazardId::from_name(text).ok_or_else(|| {
        let ids: Vec<&str> = HazardId::ALL.iter().map(|id| id.as_str()).collect();
        format!("hazards are {}", ids.join(", "))
    })
}

fn time_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text)
        .map_err(|_| "write a zone of the IANA database, such as Europe/Berlin".to_owned())
}

/// A length of time, `0s` among them.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a number and a unit, such as 90s or 5m".to_owned())
}

/// As [`parse_duration`], within what a lease can be: a shorter one would be lost by a slow
/// answer, a longer one would keep everybody out after a crash.
pub(crate) fn parse_lease_ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_duration(text)?;
    if (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&ttl) {
        Ok(ttl)
    } else {
        Err("a lease lives between 1s and 1h".to_owned())
    }
}
