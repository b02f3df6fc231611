//! Help texts, on a terminal of 80 columns and through a pipe alike.

use crossfade_testkit::Result;

use crate::program::Program;

const COMMANDS: [&str; 23] = [
    "init",
    "plan",
    "preflight",
    "expand",
    "backfill",
    "verify",
    "cutover",
    "contract",
    "rollback",
    "run",
    "list",
    "status",
    "history",
    "pause",
    "resume",
    "set",
    "hold",
    "unhold",
    "approve",
    "grants",
    "demo",
    "schema",
    "completions",
];

#[test]
fn the_program_explains_itself() -> Result<()> {
    insta::assert_snapshot!("crossfade", Program::new("--help").run()?.shown());
    insta::assert_snapshot!("crossfade_short", Program::new("-h").run()?.shown());
    Ok(())
}

#[test]
fn every_command_explains_itself() -> Result<()> {
    for command in COMMANDS {
        let help = Program::new(command).argument("-h").run()?.shown();
        // The global options are the same for all.
        let own = help.split("Global options:").next().unwrap_or_default();
        insta::assert_snapshot!(command, own);
    }
    Ok(())
}

#[test]
fn every_command_is_listed_and_known_here() -> Result<()> {
    let help = Program::new("-h").run()?.stdout;
    let listed: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .map_while(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert_eq!(listed, COMMANDS);
    Ok(())
}

#[test]
fn help_fits_80_columns() -> Result<()> {
    for command in COMMANDS {
        for form in ["-h", "--help"] {
            let help = Program::new(command).argument(form).run()?.stdout;
            let too_long: Vec<_> = help
                .lines()
                .filter(|line| line.chars().count() > 80)
                .collect();
            assert!(too_long.is_empty(), "{command} {form}: {too_long:?}");
        }
    }
    Ok(())
}
