//! `crossfade approve`: says yes to exactly the plan that is registered.

use clap::Args;
use serde::Serialize;

use crate::arguments::FormatArguments;
use crate::error::{Code, Failure};
use crate::exit::Exit;
use crate::settings::Settings;
use crate::{migration, output, state};

/// Which migration, and on whose behalf.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the migration, or its plan file
    migration: String,
    /// The role that the plan asks for and that you speak for
    #[arg(long)]
    role: String,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Serialize)]
struct Printed<'a> {
    name: &'a str,
    role: &'a str,
    fingerprint: &'a str,
}

pub(crate) async fn run(arguments: &Arguments, settings: &Settings) -> Result<Exit, Failure> {
    let role = arguments.role.as_str();
    let name = migration::name(&arguments.migration)?;
    let store = state::for_change(settings, &name, "approve").await?;
    let session = store.session("approve").await?;
    let record = migration::find_open(&store, &session, &name).await?;
    let plan = store.plan(&session, record.id).await?;
    let asked = plan
        .file
        .contract
        .approvals
        .iter()
        .chain(&plan.file.cutover.approvals);
    let asked: Vec<&str> = asked.map(String::as_str).collect();
    // A misspelt role would be an approval that nobody ever counts.
    if !asked.contains(&role) {
        let next = match asked.as_slice() {
            [] => "The plan asks for no approval.".to_owned(),
            roles => format!("It asks for: {}.", roles.join(", ")),
        };
        let message = format!("the plan of {name} asks for no approval by {role:?}");
        return Err(Failure::new(Code::CommandLine, message).next(next));
    }
    drop(session);
    store
        .approve(record.id, &state::actor(), role, &record.fingerprint)
        .await?;
    let fingerprint = record.fingerprint.as_str();
    let printed = Printed {
        name: name.as_str(),
        role,
        fingerprint,
    };
    arguments.format.print("approve", &printed, || {
        let plan = record.fingerprint.short();
        output::sentence(&format!(
            "{name} is approved by {role}, with the plan {plan}."
        ))
    })?;
    Ok(Exit::Done)
}
