//! The demo from beginning to end, through the built program: what it shows, how it ends, and
//! that it leaves nothing behind.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossfade_testkit::{Result, Session};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

const FIGURES: [&str; 11] = [
    "rows copied",
    "rate of the copy",
    "killed with -9",
    "verdict",
    "locks held, cutover",
    "locks held, rollback",
    "application",
    "failed statements",
    "longest statement",
    "transactions a second",
    "lost writes",
];

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossfade"));
    command
        .arg("demo")
        .args(arguments)
        // Settings for other databases are not the demo's.
        .env("PGHOST", "nowhere.invalid")
        .env("CROSSFADE_STATE_SCHEMA", "elsewhere")
        .env_remove("DATABASE_URL")
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null());
    command
}

/// The directory that the demo has said it uses.
fn directory_in(output: &str) -> Option<PathBuf> {
    let line = output
        .lines()
        .find(|line| line.contains("PostgreSQL") && line.contains(" in /"))?;
    line.split_whitespace().last().map(PathBuf::from)
}

/// Id, parent and command line of every process.
fn processes() -> Result<Vec<(u32, u32, String)>> {
    let listing = Command::new("ps")
        .args(["-e", "-o", "pid=,ppid=,args="])
        .output()?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    Ok(listing
        .lines()
        .filter_map(|line| {
            let mut parts = line.split_whitespace();
            let (id, parent) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some((id, parent, parts.collect::<Vec<_>>().join(" ")))
        })
        .collect())
}

fn processes_of(directory: &Path) -> Result<Vec<String>> {
    let needle = directory.to_string_lossy();
    let found = processes()?.into_iter().map(|(_, _, line)| line);
    Ok(found.filter(|line| line.contains(&*needle)).collect())
}

/// What was killed is gone as soon as somebody has taken note of it.
fn wait_until(what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !holds()? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("not after {} s: {what}", PATIENCE.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Reads lines until one of them contains `text`; returns all of them.
fn read_until(child: &mut Child, text: &str) -> Result<(String, impl Read + use<>)> {
    let stdout = child.stdout.take().ok_or("standard output is piped")?;
    let mut reader = BufReader::new(stdout);
    let mut read = String::new();
    loop {
        let before = read.len();
        if reader.read_line(&mut read)? == 0 {
            return Err(format!("it has ended without {text:?}: {read}").into());
        }
        if read[before..].contains(text) {
            return Ok((read, reader));
        }
    }
}

#[test]
fn own_cluster_the_demo_shows_a_whole_migration_and_leaves_nothing() -> Result<()> {
    let output = demo(&["--rows", "5000", "--seed", "7"]).output()?;
    let stdout = String::from_utf8(output.stdout)?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(
        (output.status.code(), stderr.as_str()),
        (Some(0), ""),
        "{stdout}"
    );

    for figure in FIGURES {
        let shown = stdout
            .lines()
            .any(|line| line.trim_start().starts_with(figure));
        assert!(shown, "{figure} is not shown: {stdout}");
    }
    let value = |figure: &str| {
        let line = stdout
            .lines()
            .find(|line| line.trim_start().starts_with(figure));
        line.and_then(|line| line.trim_start().strip_prefix(figure))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    assert_eq!(value("failed statements"), "0");
    assert!(value("verdict").starts_with("exact: "), "{stdout}");
    assert!(value("lost writes").starts_with("0 ("), "{stdout}");
    for command in ["run leads_v2.yaml", "cutover leads_v2", "rollback leads_v2"] {
        assert!(
            stdout.contains(&format!("$ crossfade {command}")),
            "{stdout}"
        );
    }
    let too_long: Vec<&str> = stdout
        .lines()
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(too_long.is_empty(), "{too_long:?}");
    assert!(
        !stdout.chars().any(|c| c.is_control() && c != '\n'),
        "{stdout:?}"
    );

    let directory = directory_in(&stdout).ok_or("a directory")?;
    assert!(!directory.exists());
    assert_eq!(processes_of(&directory)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn own_cluster_the_demo_that_is_interrupted_leaves_nothing() -> Result<()> {
    let mut child = demo(&["--rows", "5000"]).stdout(Stdio::piped()).spawn()?;
    let (before, mut rest) = read_until(&mut child, "rows are copied")?;
    let directory = directory_in(&before).ok_or("a directory")?;
    let children: Vec<u32> = processes()?
        .into_iter()
        .filter(|(_, parent, _)| *parent == child.id())
        .map(|(id, _, _)| id)
        .collect();
    assert!(
        children.len() >= 3,
        "a server, its guard and a run: {children:?}"
    );

    let process = Pid::from_raw(i32::try_from(child.id())?).ok_or("a process")?;
    kill_process(process, Signal::INT)?;
    let mut after = String::new();
    rest.read_to_string(&mut after)?;
    assert_eq!(child.wait()?.code(), Some(3), "{before}{after}");
    assert!(after.contains("Stopped."), "{after}");
    assert!(!directory.exists());
    wait_until("its processes are gone", || {
        let left = processes()?;
        Ok(!left.iter().any(|(id, _, _)| children.contains(id)))
    })
}

#[tokio::test]
async fn own_cluster_the_demo_that_is_kept_says_how_to_use_and_to_stop_it() -> Result<()> {
    let output = demo(&["--rows", "1000", "--connections", "2", "--keep"]).output()?;
    let stdout = String::from_utf8(output.stdout)?;
    let line = |start: &str| {
        let line = stdout
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with(start));
        line.map(str::to_owned)
            .ok_or_else(|| format!("no {start}: {stdout}"))
    };
    let stop = line("kill -QUIT ")?;
    let directory = directory_in(&stdout).ok_or("a directory")?;
    let url = line("export DATABASE_URL=")?;
    let session = Session::connect(&url["export DATABASE_URL=".len()..], "test").await;
    let leads = match &session {
        Ok(session) => {
            session
                .query_one_value("select count(*) from public.leads")
                .await?
        }
        Err(_) => 0_i64,
    };
    let stopped = Command::new("sh").args(["-c", &stop]).status()?;
    session?;
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(leads > 0);
    assert!(stopped.success());
    assert!(!directory.exists());
    wait_until("the server is gone", || {
        Ok(processes_of(&directory)?.is_empty())
    })
}

#[test]
fn a_machine_without_a_server_is_told_what_is_missing() -> Result<()> {
    let empty = std::env::temp_dir().join(format!("no-server-{}", std::process::id()));
    std::fs::create_dir(&empty)?;
    let output = demo(&[]).env("CROSSFADE_PG_BIN", &empty).output()?;
    std::fs::remove_dir(&empty)?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(7), "{stderr}");
    assert!(stderr.contains("E0090"), "{stderr}");
    assert!(stderr.contains("`initdb`"), "{stderr}");
    Ok(())
}
