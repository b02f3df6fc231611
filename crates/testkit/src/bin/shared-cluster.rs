//! Runs a command with a throwaway cluster: `shared-cluster <command> [argument]...`
//!
//! The command finds the URL of the cluster in its environment. The cluster is removed
//! when the command has ended, however that was, and its exit code is returned. Where
//! the environment has a URL already, that server is used and nothing is started.

use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use crossfade_sandbox::cluster::{Cluster, SUPERUSER};
use crossfade_testkit::{Result, URL_VARIABLE, cluster_options};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments
        .next()
        .ok_or("usage: shared-cluster <command> [argument]...")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let cluster = match std::env::var_os(URL_VARIABLE) {
        Some(_) => None,
        None => Some(Cluster::start(&cluster_options()).await?),
    };
    if let Some(cluster) = &cluster {
        command.env(URL_VARIABLE, cluster.url(SUPERUSER, SUPERUSER));
    }
    let status = run(&mut command).await?;
    drop(cluster);
    Ok(exit_code(status))
}

/// Passes the signals that ask us to end to the command, and waits for it.
async fn run(command: &mut Command) -> Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut child = command.spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = interrupt.recv() => {
                // Ctrl-C at a terminal reaches the command without us, and most
                // programs take a second one as an order to stop at once.
                if !std::io::stdin().is_terminal() {
                    pass(&child, Signal::INT)?;
                }
            }
            _ = terminate.recv() => pass(&child, Signal::TERM)?,
            _ = hangup.recv() => pass(&child, Signal::HUP)?,
        }
    }
}

fn pass(child: &Child, signal: Signal) -> Result<()> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = id.and_then(Pid::from_raw) {
        kill_process(pid, signal)?;
    }
    Ok(())
}

/// As a shell tells it: 128 and the number of the signal that ended the command.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
