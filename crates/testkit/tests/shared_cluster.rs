//! The `shared-cluster` program: the command sees a server, which is gone afterwards.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crossfade_testkit::{Result, Session, URL_VARIABLE};
use rustix::process::{Pid, Signal, kill_process};

fn shared_cluster(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shared-cluster"));
    command
        .args(["sh", "-c", script])
        .env_remove(URL_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn first_line(child: &mut Child) -> Result<String> {
    let output = child.stdout.as_mut().ok_or("it has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[tokio::test]
async fn own_cluster_is_there_for_the_command_and_its_exit_code_returned() -> Result<()> {
    let mut child = shared_cluster("echo $CROSSFADE_TEST_DATABASE_URL; read -r _; exit 7")
        .stdin(Stdio::piped())
        .spawn()?;
    let url = first_line(&mut child)?;
    let alive = Session::connect(&url, "alive").await;
    let status = child.wait()?;
    alive?;
    assert_eq!(status.code(), Some(7));
    assert!(Session::connect(&url, "gone").await.is_err());
    Ok(())
}

#[tokio::test]
async fn own_cluster_goes_with_a_terminated_command() -> Result<()> {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut child =
            shared_cluster("echo $CROSSFADE_TEST_DATABASE_URL; exec sleep 600").spawn()?;
        let url = first_line(&mut child)?;
        kill_process(Pid::from_child(&child), signal)?;
        assert_eq!(child.wait()?.code(), Some(code));
        assert!(Session::connect(&url, "gone").await.is_err());
    }
    Ok(())
}

#[test]
fn a_server_that_is_named_already_is_used() -> Result<()> {
    let url = "postgresql://me@127.0.0.1:1/none";
    let output = shared_cluster("echo $CROSSFADE_TEST_DATABASE_URL")
        .env(URL_VARIABLE, url)
        .output()?;
    assert_eq!(String::from_utf8(output.stdout)?.trim_end(), url);
    Ok(())
}
